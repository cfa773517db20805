"""The log of the passwords that this controller has written, where the lab itself has to write into it."""

import json
import os
from datetime import datetime, timezone

import ldb
from samba.dcerpc import drsblobs, drsuapi
from samba.ndr import ndr_unpack

LOG = "/lab/audit.jsonl"
TIME = "%Y-%m-%dT%H:%M:%S.%f%z"
# Directory times count these since 1601.
TICKS, EPOCH = 10**7, 11644473600


def begin_anew():
    """What the log says from here on is about the accounts as they are now."""
    _append({"type": "labReset"})


def settle(samdb):
    """
    Says of each write that the end of samba cut off whether it is in the database: a kill between the
    commit and the line about it leaves a password that no log knows. Right only before samba starts
    again, while nobody can have written since. Of what cannot be told nothing is said.
    """
    changes, ended, since = _read()
    for change in changes:
        if change["transaction"] in ended:
            continue
        others = [other for other in changes if other is not change and other["dn"] == change["dn"]]
        if any(other["transaction"] not in ended for other in others):
            continue
        before = max([since] + [other["at"] for other in others])
        written = _is_written(samdb, change, before)
        if written is not None:
            _append({"type": "labSettled", "labSettled": {"transactionId": change["transaction"], "written": written}})
    _append({"type": "labStart"})


def _is_written(samdb, change, before):
    """
    Controllers write in turn: what the database has is of `change` when it is younger than the line about
    the write before, and of that one when it is older. None where seconds are too coarse to tell.
    """
    found = samdb.search(change["dn"], scope=ldb.SCOPE_BASE, attrs=["replPropertyMetaData", "pwdLastSet"])[0]
    last = _last_change(bytes(found["replPropertyMetaData"][0]))
    if last is None:
        return False
    second = last.originating_change_time // TICKS - EPOCH
    if str(last.originating_invocation_id) != str(samdb.get_invocation_id()):
        # Another controller's change hides ours only if it came later.
        return False if second < int(change["at"]) - 1 else None
    pwd_last_set = int(str(found["pwdLastSet"][0]))
    if pwd_last_set != 0:
        return pwd_last_set / TICKS - EPOCH > before
    # It must be changed at the next logon, so only the metadata has a time.
    return None if second == int(before) else second > before


def _last_change(blob):
    entries = ndr_unpack(drsblobs.replPropertyMetaDataBlob, blob).ctr.array
    return next((entry for entry in entries if entry.attid == drsuapi.DRSUAPI_ATTID_unicodePwd), None)


def _read():
    """The password changes since the last reset, the transactions that are over, and when that reset was."""
    changes, ended, since = [], set(), 0.0
    for event in _events():
        at = datetime.strptime(event["timestamp"], TIME).timestamp()
        if event["type"] == "labReset":
            changes, since = [], at
        elif event["type"] == "labStart":
            # What could not be told then can be told even less now.
            ended.update(change["transaction"] for change in changes)
        elif event["type"] == "passwordChange" and event["passwordChange"]["statusCode"] == 0:
            change = event["passwordChange"]
            changes.append({"dn": change["dn"], "transaction": change["transactionId"], "at": at})
        elif event["type"] in ("dsdbTransaction", "labSettled"):
            ended.add(event[event["type"]]["transactionId"])
    return changes, ended, since


def _events():
    if not os.path.exists(LOG):
        return
    decoder = json.JSONDecoder()
    with open(LOG) as log:
        for line in log:
            at = line.find('{"')
            while at != -1:
                try:
                    event, at = decoder.raw_decode(line, at)
                except ValueError:
                    # Whoever reads the log for the tests reports it.
                    break
                yield event
                at = line.find('{"', at)


def _append(event):
    now = datetime.now(timezone.utc).strftime(TIME)
    with open(LOG, "a") as log:
        # A kill may have come between a line and its end.
        log.write("\n" + json.dumps({"timestamp": now, **event}) + "\n")
