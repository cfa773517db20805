"""Who may do what: the delegation on OU=People, and who reads the values of the fine-grained policy."""

from access_lists import ON_POLICIES, ON_USERS, PROTECTED, Domain, own_entries, with_rights

# The whole of what the agent's account is given, as service/delegation gives it: the tests run on what admins get.
RIGHTS = list(ON_USERS)
CANNOT_CHANGE = [f"(OD;;CR;ab721a53-1e2f-11d0-9819-00aa0040529b;;{who})" for who in ("WD", "PS")]


def _set_entries(domain, dn, sid, rights):
    """Leaves on `dn` exactly `rights` for `sid`; entries that are inherited or somebody else's stay."""
    others = [entry for entry in own_entries(domain.descriptor(dn)) if entry.sid != sid]
    _write(domain, dn, with_rights(others, domain.wanted(rights, sid)))


def _write(domain, dn, explicit):
    descriptor = domain.descriptor(dn)
    if [entry.sddl() for entry in own_entries(descriptor)] != [entry.sddl() for entry in explicit]:
        domain.write(dn, explicit, bool(descriptor.type & PROTECTED))


def set_access(samdb, sid, delegation, policy_read):
    """Gives `sid` exactly these rights on OU=People, and the read of the policies or not; None leaves as it is."""
    domain = Domain(samdb)
    if delegation is not None:
        _set_entries(domain, f"OU=People,{domain.head}", sid, {right: ON_USERS[right] for right in delegation})
    if policy_read is not None:
        _set_entries(domain, domain.policies, sid, ON_POLICIES if policy_read else {})


def forbid_change(samdb, dn):
    """What the tick `User cannot change password` does: nobody may change it, an administrator may reset it."""
    domain = Domain(samdb)
    own = own_entries(domain.descriptor(str(dn)))
    _write(domain, str(dn), [domain.entry(sddl) for sddl in CANNOT_CHANGE] + own)
