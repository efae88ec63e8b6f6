"""Calling the service as any client would: JSON over HTTP, problem details as exceptions, patience with a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx

from app.stage.errors import StageError

T = TypeVar("T")
POLL_S = 0.25
TRIES, INSISTENT_TRIES = 8, 90
LONGEST_PAUSE_S = 2.0
TRY_AGAIN = frozenset({429, 502, 503})
IN_FLIGHT = "idempotency_key_in_flight"


class Refused(StageError):
    """The service said no. `code` is the problem's own; `repeated` when an earlier try got no answer and may have done it."""

    def __init__(self, status: int, code: str, detail: str, where: str, *, repeated: bool = False) -> None:
        super().__init__(f"{where}: {status} {code}: {detail}")
        self.status, self.code, self.detail, self.repeated = status, code, detail, repeated


class Caller:
    """Somebody who calls the API: nobody in particular, or whoever the token signs in. Lost answers are asked for again.

    One who `insists` asks again whatever was asked, for as long as a broken service may take to recover.
    """

    def __init__(self, http: httpx.AsyncClient, token: str | None = None, *, insists: bool = False) -> None:
        self._http, self.insists = http, insists
        self._tries = INSISTENT_TRIES if insists else TRIES
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def as_bearer(self, token: str) -> "Caller":
        """The same service, asked by somebody else."""
        return Caller(self._http, token, insists=self.insists)

    async def get(self, path: str, **params: str) -> Any:
        """The answer's JSON. Raises Refused."""
        return await self._ask("GET", path, params=params or None)

    async def post(self, path: str, body: object = None, *, key: str | None = None, may_repeat: bool = False) -> Any:
        """The answer's JSON; `key` is the Idempotency-Key, which lets a call be repeated. Raises Refused."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self._ask("POST", path, json=body, headers=headers, may_repeat=may_repeat or key is not None)

    async def _ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, may_repeat: bool = True, **rest: Any) -> Any:
        may_repeat, broken = may_repeat or self.insists, False
        for attempt in range(1, self._tries + 1):
            last = attempt == self._tries or not may_repeat
            try:
                answer = await self._http.request(method, path, headers={**self._headers, **(headers or {})}, **rest)
            except httpx.TransportError:
                if last:
                    raise
                broken = True
            else:
                if answer.is_success:
                    return answer.json() if answer.content else None
                refused = refusal_of(answer, f"{method} {path}", repeated=broken)
                broken = broken or answer.status_code in TRY_AGAIN
                if last or (answer.status_code not in TRY_AGAIN and refused.code != IN_FLIGHT):
                    raise refused
            await asyncio.sleep(min(POLL_S * attempt, LONGEST_PAUSE_S))
        raise AssertionError("the last attempt returns or raises")


def refusal_of(answer: httpx.Response, where: str, *, repeated: bool = False) -> Refused:
    """A refusal's problem details; its text when there are none."""
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    code = str(problem.get("code") or problem.get("type", "")).rsplit("/", 1)[-1]
    return Refused(answer.status_code, code, str(problem.get("detail") or answer.text[:300]), where, repeated=repeated)


async def until(condition: Callable[[], Awaitable[T | None]], what: str, *, timeout_s: float = 300.0) -> T:
    """What the condition gives as soon as it gives something true. StageError naming `what` when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = await condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise StageError(f"waited {timeout_s:.0f} s for {what}")
        await asyncio.sleep(POLL_S)
