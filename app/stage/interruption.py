"""Ending in order when told to: what a play has mounted, started and made is taken back before the program ends."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def until_told(play: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end. SIGTERM and Ctrl-C cancel it, so that every context is left; the program then ends with 128 + the signal."""
    told: list[signal.Signals] = []

    async def interruptible() -> T:
        playing = asyncio.current_task()
        assert playing is not None

        def end(number: signal.Signals) -> None:
            told.append(number)
            if len(told) == 1:  # said once is enough: a second cancellation would break off the tidying up
                playing.cancel()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, end, number)
        return await play

    try:
        return asyncio.run(interruptible())
    except asyncio.CancelledError:
        sys.exit(128 + told[0] if told else 1)
