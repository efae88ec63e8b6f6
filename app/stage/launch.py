"""Start a command tied to the life of its parent, optionally as another user.

Run by path in an isolated interpreter (`python -I -S launch.py PARENT SIGNAL USER -- COMMAND...`), so it may import nothing but the
standard library and becomes the command by `exec`: the process id stays the same.

PARENT is the process id of the starter; SIGNAL the number of the signal the command gets when the starter dies; USER is `uid:gid` or
`-`. Credentials change first, because changing them clears the parent-death signal.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
EXIT_PARENT_GONE = 125


def become(user: str) -> None:
    """Drop to `uid:gid` with no supplementary groups; `-` keeps the current user."""
    if user == "-":
        return
    uid, gid = (int(part) for part in user.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def tie_to_parent(parent: int, signal_number: int) -> None:
    """Ask the kernel to signal this process when its parent dies; systems without that call go without."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:  # it died before the call above could be made
        sys.exit(EXIT_PARENT_GONE)


def main(argv: list[str]) -> None:
    """Change user, tie to the parent, become the command."""
    parent, signal_number, user, dashes, *command = argv
    if dashes != "--" or not command:
        sys.exit("usage: launch.py PARENT SIGNAL USER -- COMMAND...")
    os.umask(0o077)
    become(user)
    tie_to_parent(int(parent), int(signal_number))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
