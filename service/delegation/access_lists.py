"""Passback's rights in a domain, as entries of access lists: what is given where, and how it is read and written."""

import ldb
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack

USER = "bf967aba-0de6-11d0-a285-00aa003049e2"

# All that is ever given: words, and the entry as SDDL without the account. CIIO and the class: inherited by
# users and by nothing else. The script for Windows has the same strings.
ON_USERS = {
    "reset-password": ("Reset Password", f"(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;{USER};%s)"),
    "lockout-time": ("write lockoutTime", f"(OA;CIIO;RPWP;28630ebf-41d5-11d1-a9c1-0000f80367c1;{USER};%s)"),
    "pwd-last-set": ("write pwdLastSet", f"(OA;CIIO;RPWP;bf967a0a-0de6-11d0-a285-00aa003049e2;{USER};%s)"),
}
ON_DOMAIN = {"unexpire": ("Unexpire Password", "(OA;;CR;ccc2dc7d-a6ad-4a7a-8846-c04e3cc53501;;%s)")}
ON_POLICIES = {"read-policies": ("read fine-grained policies", "(A;CI;RPLCLORC;;;%s)")}

NAMES = {
    USER: "users",
    "bf967a86-0de6-11d0-a285-00aa003049e2": "computers",
    "00299570-246d-11d0-a768-00aa006e0529": "Reset Password",
    "ab721a53-1e2f-11d0-9819-00aa0040529b": "Change Password",
    "ccc2dc7d-a6ad-4a7a-8846-c04e3cc53501": "Unexpire Password",
    "1131f6ad-9c07-11d1-f79f-00c04fc2dcd2": "Replicating Directory Changes All",
    "4c164200-20c0-11d0-a768-00aa006e0529": "all account restrictions",
    "28630ebf-41d5-11d1-a9c1-0000f80367c1": "lockoutTime",
    "bf967a0a-0de6-11d0-a285-00aa003049e2": "pwdLastSet",
    "bf967a68-0de6-11d0-a285-00aa003049e2": "userAccountControl",
    "bf9679c0-0de6-11d0-a285-00aa003049e2": "member",
    "f3a64788-5306-11d1-a9c5-0000f80367c1": "servicePrincipalName",
    "5b47d60f-6090-40b2-9f37-2a4de88f3063": "msDS-KeyCredentialLink",
}
MASKS = {
    0x1: "create objects", 0x2: "delete objects", 0x4: "list", 0x8: "validated write", 0x10: "read", 0x20: "write",
    0x40: "delete trees", 0x80: "list objects", 0x100: "extended right", 0x10000: "delete", 0x20000: "read permissions",
    0x40000: "change permissions", 0x80000: "take ownership", 0x40000000: "generic write", 0x80000000: "generic read",
}
CONTROL_ACCESS, FULL, GENERIC_ALL = 0x100, 0xF01FF, 0x10000000
READS = 0x4 | 0x10 | 0x80 | 0x20000 | 0x20000000 | 0x80000000
ALLOWS, DENIES, OBJECTS = (0x00, 0x05, 0x09, 0x0B), (0x01, 0x06, 0x0A, 0x0C), (0x05, 0x06)
CONTAINER, NO_PROPAGATE, INHERIT_ONLY, INHERITED = 0x02, 0x04, 0x08, 0x10
PROTECTED = 0x1000

# Whoever has logged on is these, whether a list of groups says so or not.
EVERYBODY = {"S-1-1-0": "Everyone", "S-1-5-11": "Authenticated Users"}
# Administrators, and the operators of accounts, servers, printers and backups; the groups of the domain and the forest.
PRIVILEGED = ("-512", "-516", "-518", "-519", "-520", "-526", "-527")
PRIVILEGED_BUILTIN = {f"S-1-5-32-{rid}" for rid in (544, 548, 549, 550, 551)}

DACL = "sd_flags:1:4"  # LDAP_SERVER_SD_FLAGS_OID: owner and auditing list are neither asked for nor written


class Refused(Exception):
    """It could not be done; the text says why and what to do."""


class Entry:
    """One entry of an access list, so that it can be compared and told."""

    def __init__(self, ace):
        self.ace, self.sid, self.mask, self.flags = ace, str(ace.trustee), ace.access_mask, ace.flags
        self.allows, self.denies = ace.type in ALLOWS, ace.type in DENIES
        present = ace.object.flags if ace.type in OBJECTS else 0
        self.what = str(ace.object.type) if present & 1 else None
        self.whom = str(ace.object.inherited_type) if present & 2 else None
        self.inherited = bool(ace.flags & INHERITED)

    def within(self, wanted):
        """Whether it gives nothing that `wanted` does not give, to the same account in the same place."""
        same = (self.sid, self.what, self.whom) == (wanted.sid, wanted.what, wanted.whom) and self.ace.type in (0x00, 0x05)
        # Where only users are meant, it makes no difference whether the unit itself is left out.
        reach = CONTAINER | NO_PROPAGATE | (0 if self.whom else INHERIT_ONLY)
        return same and self.mask & ~wanted.mask == 0 and self.flags & reach == wanted.flags & reach

    def decides(self, wanted):
        """Whether it is about something of `wanted`, where that applies."""
        mask = FULL if self.mask & GENERIC_ALL else self.mask
        reaches = self.flags & CONTAINER if wanted.flags & CONTAINER else not self.flags & INHERIT_ONLY
        return bool(mask & wanted.mask and reaches) and self.what in (None, wanted.what) and self.whom in (None, wanted.whom)

    def writes(self):
        return self.allows and self.mask & ~READS != 0

    def sddl(self):
        descriptor = security.descriptor()
        descriptor.dacl_add(self.ace)
        text = descriptor.as_sddl()
        return text[text.index("("):]

    def words(self):
        full = self.mask & GENERIC_ALL or self.mask & FULL == FULL
        rights = "full control" if full else ", ".join(name for bit, name in MASKS.items() if self.mask & bit)
        if self.what:
            what = NAMES.get(self.what, self.what)
            rights = what if self.mask == CONTROL_ACCESS else f"{rights} ({what})"
        whom = NAMES.get(self.whom, self.whom) + " below" if self.whom else "everything below"
        return f"{'' if self.allows else 'NOT '}{rights}, on {whom if self.flags & CONTAINER else 'this object'}"


class Domain:
    """One domain, by a controller's own database or over LDAP."""

    def __init__(self, samdb):
        self.samdb = samdb
        self.head = str(samdb.get_default_basedn())
        self.sid = security.dom_sid(sid_of(self.find(self.head, ["objectSid"])["objectSid"][0]))
        self.policies = f"CN=Password Settings Container,CN=System,{self.head}"

    def find(self, base, attributes, expression="(objectClass=*)", scope=ldb.SCOPE_BASE):
        """The one object, or None."""
        try:
            found = self.samdb.search(base, scope, expression, attributes, controls=[DACL])
        except ldb.LdbError as error:
            if error.args[0] in (ldb.ERR_NO_SUCH_OBJECT, ldb.ERR_INVALID_DN_SYNTAX):
                return None
            raise
        if len(found) > 1:
            raise Refused(f"more than one object has {expression}: give its distinguished name")
        return found[0] if found else None

    def everything(self):
        attributes = ["nTSecurityDescriptor", "objectClass", "adminCount"]
        for found in self.samdb.search_iterator(self.head, ldb.SCOPE_SUBTREE, "(objectClass=*)", attributes, controls=[DACL]):
            if isinstance(found, ldb.Message) and "nTSecurityDescriptor" in found:
                yield found, ndr_unpack(security.descriptor, found["nTSecurityDescriptor"][0])

    def descriptor(self, dn):
        found = self.find(dn, ["nTSecurityDescriptor"])
        if found is None or "nTSecurityDescriptor" not in found:
            raise Refused(f"the permissions of {dn} cannot be read: run it as a domain administrator")
        return ndr_unpack(security.descriptor, found["nTSecurityDescriptor"][0])

    def unit(self, dn):
        """The distinguished name as the directory spells it."""
        found = self.find(dn, ["objectClass"])
        if found is None:
            raise Refused(f"{dn} does not exist, or you cannot see it: correct --ou")
        if not {"organizationalUnit", "container", "domainDNS"} & classes(found):
            raise Refused(f"{dn} is no organisational unit: give the unit that the accounts are in")
        return str(found.dn)

    def account(self, name):
        """Whom the rights are for: its SID, the SIDs of its groups, its distinguished name."""
        if name.upper().startswith("S-1-") or "=" in name:
            found = self.find(f"<SID={name}>" if "=" not in name else name, ["objectSid"])
        else:
            attribute = "userPrincipalName" if "@" in name else "sAMAccountName"
            same = f"({attribute}={ldb.binary_encode(name.split(chr(92))[-1])})"
            found = self.find(self.head, ["objectSid"], same, ldb.SCOPE_SUBTREE)
        if found is None or "objectSid" not in found:
            raise Refused(f"there is no account {name} in {self.head}: give its sAMAccountName, SID or distinguished name")
        sid = sid_of(found["objectSid"][0])
        if not sid.startswith("S-1-5-21-") or int(sid.rsplit("-", 1)[1]) < 1000:
            raise Refused(f"{name} ({sid}) came with the domain: make an account for Passback alone")
        groups = self.find(found.dn, ["tokenGroups"])
        return sid, {sid_of(one) for one in groups.get("tokenGroups", [])} - {sid}, str(found.dn)

    def name(self, sid):
        found = None if sid in EVERYBODY else self.find(f"<SID={sid}>", ["sAMAccountName"])
        return EVERYBODY.get(sid) or (str(found.get("sAMAccountName", sid)) if found else sid)

    def entry(self, sddl):
        return entries(security.descriptor.from_sddl(f"D:{sddl}", self.sid))[0]

    def wanted(self, rights, sid):
        return [(words, self.entry(sddl % sid)) for words, sddl in rights.values()]

    def write(self, dn, explicit, protected):
        """Makes these the object's own entries; the directory adds what is inherited."""
        descriptor = self.descriptor(dn)
        descriptor.dacl.aces, descriptor.dacl.num_aces = [entry.ace for entry in explicit], len(explicit)
        descriptor.type = descriptor.type & ~PROTECTED | (PROTECTED if protected else 0)
        message = ldb.Message(ldb.Dn(self.samdb, dn))
        message["sd"] = ldb.MessageElement(ndr_pack(descriptor), ldb.FLAG_MOD_REPLACE, "nTSecurityDescriptor")
        self.samdb.modify(message, [DACL])


def sid_of(value):
    return str(ndr_unpack(security.dom_sid, value))


def classes(found):
    return {str(one) for one in found["objectClass"]}


def entries(descriptor):
    return [Entry(ace) for ace in descriptor.dacl.aces] if descriptor.dacl else []


def own_entries(descriptor):
    return [entry for entry in entries(descriptor) if not entry.inherited]


def within_any(entry, wanted):
    return any(entry.within(one) for _, one in wanted)


def complete(found, one):
    """Whether these entries together give all of it."""
    mask = 0
    for entry in found:
        mask |= entry.mask
    return mask == one.mask


def with_rights(explicit, wanted):
    """With what is missing, behind all refusals, where the canonical order has it; what is there stays as it is."""
    missing = [one for _, one in wanted if not complete([entry for entry in explicit if entry.within(one)], one)]
    at = max((index + 1 for index, entry in enumerate(explicit) if entry.denies), default=0)
    return explicit[:at] + missing + explicit[at:]


def without_rights(explicit, wanted):
    return [entry for entry in explicit if not within_any(entry, wanted)]
