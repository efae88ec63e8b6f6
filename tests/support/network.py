"""Keeping the test process off the network: only this machine may be reached."""

import ipaddress
import sys

_LOCAL_NAMES = {"localhost", "localhost.localdomain"}


def is_local(host: str) -> bool:
    """Tell whether a host name or address can only mean this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in _LOCAL_NAMES


def refuse_remote(event: str, arguments: tuple[object, ...]) -> None:
    """Raise when the interpreter is about to connect, send or resolve beyond this machine."""
    if event in {"socket.connect", "socket.sendto"}:
        address = arguments[1]
    elif event == "socket.getaddrinfo":
        address = arguments[:1]
    else:
        return
    host = address[0] if isinstance(address, tuple) else None  # a string is a unix socket's path
    if isinstance(host, str) and host and not is_local(host):
        raise ConnectionRefusedError(f"tests may not reach the network: {event} to {host!r}")


def block_network() -> None:
    """Install the refusal for the rest of this process; an audit hook sees every socket, whoever opened it."""
    sys.addaudithook(refuse_remote)
