"""Ports nobody else is using."""

import socket


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that was free a moment ago. The kernel hands them out in random order, so a second taker is unlikely."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether a server could listen on `port` now, leftovers of closed connections aside."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
