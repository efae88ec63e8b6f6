"""Ports nobody else is using, and that stay so until a server listens."""

import atexit
import random
import socket
from collections import deque
from pathlib import Path

_HOST = "127.0.0.1"
_LOWEST = 11_000  # above the last one that browsers refuse to open (10080)
_HIGHEST = 65_535
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_OUTGOING = (32_768, _HIGHEST)  # where the system does not tell: Linux from 32768 on, others from 49152 on
_MOST_HELD = 32  # each is an open file; a stack has five
_TRIES = 1_000

_held: deque[socket.socket] = deque()


def free_port() -> int:
    """Return a port that no server listens on, held for the caller (see `hold`).

    It lies outside the range of which the system gives outgoing connections their own ports: any connection of this machine could else
    take it before the server listens, or while a killed server is started again. RuntimeError when a thousand tries find none.
    """
    first, last = outgoing_ports()
    below, above = range(_LOWEST, first), range(last + 1, _HIGHEST + 1)
    ports = max(below, above, key=len) or range(_LOWEST, _HIGHEST + 1)
    chance = random.SystemRandom()  # tests seed the other one, all alike
    for _ in range(_TRIES):
        port = chance.choice(ports)
        if hold(port):
            return port
    raise RuntimeError(f"No free port among {ports.start} to {ports.stop - 1}. End servers that are no longer needed")


def hold(port: int) -> bool:
    """Take `port` for this process, or return False where somebody has it.

    Among those who ask here, in whatever process: the UDP port of the same number is bound, which ends with its process. The last 32
    of a process are held.
    """
    holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        holder.bind((_HOST, port))
    except OSError:
        holder.close()
        return False
    if not is_free(port):
        holder.close()
        return False
    _held.append(holder)
    if len(_held) > _MOST_HELD:
        _held.popleft().close()
    return True


def is_free(port: int) -> bool:
    """Tell whether a server could listen on `port` now, leftovers of closed connections aside."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True


def outgoing_ports() -> tuple[int, int]:
    """Return the first and last port that the system gives to outgoing connections."""
    try:
        first, last = _OUTGOING.read_text().split()
    except OSError:
        return _USUAL_OUTGOING
    return int(first), int(last)


@atexit.register
def _let_go() -> None:
    while _held:
        _held.pop().close()
