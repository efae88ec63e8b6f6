"""Which system user runs the embedded PostgreSQL: it refuses to run as root."""

import os
import pwd

import msgspec

from app.stage.errors import StageError

_PREFERRED = ("nobody", "daemon", "bin")


class ServerUser(msgspec.Struct, frozen=True, kw_only=True):
    """An unprivileged account of this machine."""

    name: str
    uid: int
    gid: int


def server_user() -> ServerUser | None:
    """Return the account to run PostgreSQL as, or None when the current user is an ordinary one already.

    Only existing accounts are considered: `initdb` insists on a name for its user id, and nothing here adds users to a machine.
    """
    if os.geteuid() != 0:
        return None
    accounts = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    names = [name for name in _PREFERRED if name in accounts] or sorted(accounts)
    if not names:
        raise StageError("PostgreSQL cannot run as root and this machine has no other account: add one, or set DATABASE_URL")
    entry = accounts[names[0]]
    return ServerUser(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)
