"""Who may do what: the delegation on OU=People, and who reads the values of the fine-grained policy."""

import re

import ldb
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack

USER_CLASS = "bf967aba-0de6-11d0-a285-00aa003049e2"

# The whole of what the agent's account is given, inherited by the users below the OU and nothing else.
RIGHTS = {
    "reset-password": f"(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;{USER_CLASS};%s)",
    "lockout-time": f"(OA;CIIO;RPWP;28630ebf-41d5-11d1-a9c1-0000f80367c1;{USER_CLASS};%s)",
    "pwd-last-set": f"(OA;CIIO;RPWP;bf967a0a-0de6-11d0-a285-00aa003049e2;{USER_CLASS};%s)",
}
POLICY_READ = "(A;CI;RPLCLORC;;;%s)"
CANNOT_CHANGE = "".join(f"(OD;;CR;ab721a53-1e2f-11d0-9819-00aa0040529b;;{who})" for who in ("WD", "PS"))


def _sddl(samdb, dn):
    found = samdb.search(dn, scope=ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"])
    return ndr_unpack(security.descriptor, found[0]["nTSecurityDescriptor"][0]).as_sddl(_domain(samdb))


def _domain(samdb):
    return security.dom_sid(samdb.get_domain_sid())


def _write(samdb, dn, sddl):
    packed = ndr_pack(security.descriptor.from_sddl(sddl, _domain(samdb)))
    message = ldb.Message(ldb.Dn(samdb, str(dn)))
    message["sd"] = ldb.MessageElement(packed, ldb.FLAG_MOD_REPLACE, "nTSecurityDescriptor")
    samdb.modify(message)


def _set_entries(samdb, dn, sid, entries):
    """Leaves on `dn` exactly `entries` for `sid`; entries that are inherited or somebody else's stay."""
    before = _sddl(samdb, dn)
    kept = re.sub(r"\([^()]*;%s\)" % re.escape(sid), "", before)
    after = re.sub(r"D:([A-Z]*)", lambda m: m.group(0) + "".join(e % sid for e in entries), kept, count=1)
    if after != before:
        _write(samdb, dn, after)


def set_access(samdb, sid, delegation, policy_read):
    """Gives `sid` exactly these rights on OU=People, and the read of the policies or not; None leaves as it is."""
    base = samdb.domain_dn()
    if delegation is not None:
        _set_entries(samdb, f"OU=People,{base}", sid, [RIGHTS[right] for right in delegation])
    if policy_read is not None:
        policies = f"CN=Password Settings Container,CN=System,{base}"
        _set_entries(samdb, policies, sid, [POLICY_READ] if policy_read else [])


def forbid_change(samdb, dn):
    """What the tick `User cannot change password` does: nobody may change it, an administrator may reset it."""
    sddl = _sddl(samdb, dn)
    if "(OD;;CR;ab721a53" not in sddl:
        _write(samdb, dn, re.sub(r"D:([A-Z]*)", lambda m: m.group(0) + CANNOT_CHANGE, sddl, count=1))
