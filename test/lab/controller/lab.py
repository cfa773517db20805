"""Keeps the lab's accounts as the table says. Works on the controller's own database, beside a running samba.

begin ADDRESS    before samba starts: this host's address in the DNS; first time: every account of the table
joined ADDRESS   the same on a controller that has joined: its place in the DNS beside the first one
settle           before samba starts again: what became of the writes that its end cut off
reset            every account, right and log back to the snapshot
access           JSON {"delegation": [...], "policyRead": bool} from stdin; what is not named stays
"""

import base64
import json
import sys
import time

import ldb
from samba import dsdb
from samba.auth import system_session
from samba.dcerpc import dnsp
from samba.ndr import ndr_pack, ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB

import access
import audit

TABLE, SNAPSHOT = "/lab/table.json", "/lab/snapshot.json"
KEPT = """unicodePwd ntPwdHistory dBCSPwd lmPwdHistory supplementalCredentials
    userAccountControl accountExpires""".split()
SERVICES = [
    f"{service}._tcp.{place}corp.test"
    for service in ("_ldap", "_kerberos")
    for place in ("", "dc._msdcs.", "Default-First-Site-Name._sites.dc._msdcs.")
]
BYPASS_PASSWORD_HASH = [f"local_oid:{dsdb.DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID}:0"]
DAY = 24 * 60 * 60 * 10**7
FLAGS = {"disabled": 0x2, "neverExpires": 0x10000, "smartcard": 0x40000}


def open_samdb():
    parameters = LoadParm()
    parameters.load_default()
    parameters.set("log level", "0")
    return SamDB(session_info=system_session(), lp=parameters)


def now():
    return int(time.time() * 10**7) + 116444736000000000


def dn_of(samdb, account):
    dn = ldb.Dn(samdb, f"CN=x,{account['ou']}")
    dn.set_component(0, "CN", account["cn"])
    return dn


def create(samdb, account):
    dn = dn_of(samdb, account)
    control = 0x200
    for name, bit in FLAGS.items():
        control |= bit if name in account["traits"] else 0
    entry = {
        "dn": dn,
        "objectClass": "user",
        "sAMAccountName": account["sam"],
        "userPrincipalName": account["upn"],
        "displayName": account["cn"],
        "clearTextPassword": account["password"].encode("utf-16-le"),
        "userAccountControl": str(control),
    }
    if "accountExpired" in account["traits"]:
        entry["accountExpires"] = str(now() - DAY)
    if "adminCount" in account["traits"]:
        entry["adminCount"] = "1"
    if account.get("spn"):
        entry["servicePrincipalName"] = account["spn"]
    samdb.add(entry)
    if "cannotChange" in account["traits"]:
        access.forbid_change(samdb, dn)
    for group in account.get("groups", []):
        samdb.add_remove_group_members(group, [account["sam"]])


def pwd_last_set(account):
    """Long enough ago that the minimum age is over, so that `too young` is only ever a test's own doing."""
    if "mustChange" in account["traits"]:
        return 0
    return now() - (100 if "passwordExpired" in account["traits"] else 10) * DAY


def replace(samdb, dn, values):
    message = ldb.Message(dn)
    for name, value in values.items():
        message[name] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, name)
    samdb.modify(message, BYPASS_PASSWORD_HASH)


def restore(samdb, account, kept):
    dn = dn_of(samdb, account)
    old = {name: [base64.b64decode(value) for value in kept.get(name, [])] for name in KEPT}
    locked = "locked" in account["traits"]
    state = {
        "pwdLastSet": pwd_last_set(account),
        "lockoutTime": now() if locked else 0,
        "badPwdCount": 5 if locked else 0,
        "badPasswordTime": now() if locked else 0,
    }
    # Two steps, since a write of userAccountControl unlocks an account that is locked before it.
    replace(samdb, dn, old)
    replace(samdb, dn, {name: str(value) for name, value in state.items()})


def accounts(table):
    return table["people"] + table["serviceAccounts"]


def set_access(samdb, delegation=None, policyRead=None):
    agent = json.load(open(TABLE))["serviceAccounts"][0]
    found = samdb.search(dn_of(samdb, agent), scope=ldb.SCOPE_BASE, attrs=["objectSid"])
    sid = samdb.schema_format_value("objectSid", found[0]["objectSid"][0]).decode()
    access.set_access(samdb, sid, delegation, policyRead)


def set_address(samdb, name, address):
    record = dnsp.DnssrvRpcRecord()
    record.wType, record.rank, record.dwTtlSeconds = dnsp.DNS_TYPE_A, dnsp.DNS_RANK_ZONE, 900
    record.data = address
    others = [other for other in samdb.dns_lookup(name)[1] if other.wType != dnsp.DNS_TYPE_A]
    samdb.dns_replace(name, others + [record])


def begin(samdb, address):
    set_address(samdb, "dc1.corp.test", address)
    table = json.load(open(TABLE))
    if samdb.search(expression=f"(sAMAccountName={table['serviceAccounts'][0]['sam']})"):
        audit.settle(samdb)
        return
    set_address(samdb, "corp.test", address)
    set_address(samdb, "gc._msdcs.corp.test", address)
    samdb.transaction_start()
    samdb.setpassword("(sAMAccountName=Administrator)", table["administratorPassword"])
    for account in accounts(table):
        create(samdb, account)
    samdb.transaction_commit()
    snapshot(samdb)
    reset(samdb)


def joined(samdb, address):
    set_address(samdb, "dc2.corp.test", address)
    for service in SERVICES:
        first = [record for record in samdb.dns_lookup(service)[1] if record.wType == dnsp.DNS_TYPE_SRV]
        if any(record.data.nameTarget.startswith("dc2.") for record in first):
            continue
        second = ndr_unpack(dnsp.DnssrvRpcRecord, ndr_pack(first[0]))
        second.data.nameTarget = "dc2.corp.test"
        samdb.dns_replace(service, first + [second])
    snapshot(samdb)


def snapshot(samdb):
    kept = {}
    for account in accounts(json.load(open(TABLE))):
        found = samdb.search(dn_of(samdb, account), scope=ldb.SCOPE_BASE, attrs=KEPT)[0]
        kept[account["sam"]] = {
            name: [base64.b64encode(bytes(value)).decode() for value in found[name]]
            for name in KEPT
            if name in found
        }
    json.dump(kept, open(SNAPSHOT, "w"))


def reset(samdb):
    kept = json.load(open(SNAPSHOT))
    samdb.transaction_start()
    for account in accounts(json.load(open(TABLE))):
        restore(samdb, account, kept[account["sam"]])
    set_access(samdb, access.RIGHTS, False)
    samdb.transaction_commit()
    audit.begin_anew()


def main(command, *arguments):
    samdb = open_samdb()
    if command == "access":
        set_access(samdb, **json.load(sys.stdin))
    else:
        commands = {"begin": begin, "joined": joined, "settle": audit.settle, "reset": reset}
        commands[command](samdb, *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
