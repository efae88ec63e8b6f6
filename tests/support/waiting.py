"""Waiting for a condition with a deadline, instead of sleeping for a guess."""

import asyncio
import time
from collections.abc import Awaitable, Callable

_POLL_S = 0.02


def wait_until(condition: Callable[[], object], what: str, *, timeout_s: float = 30.0) -> None:
    """Return when `condition()` holds; AssertionError naming `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(_POLL_S)


async def wait_until_async(condition: Callable[[], Awaitable[object]], what: str, *, timeout_s: float = 30.0) -> None:
    """Return when the awaited condition holds; AssertionError naming `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not await condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        await asyncio.sleep(_POLL_S)
