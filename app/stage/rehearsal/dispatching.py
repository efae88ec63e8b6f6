"""The driving half: dispatch, offers with some declined and the rest planned again, drivers, manifests, check-ins."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import datetime
from random import Random
from typing import Any
from uuid import uuid4

import httpx

from app.stage.errors import StageError
from app.stage.rehearsal.calling import Caller, Refused, until
from app.stage.rehearsal.report import Notes

DECLINE_SHARE = 0.2
REASONS = ("busy", "busy", "price", "busy")
ROUNDS_WITH_DECLINES = 2
WAITING = frozenset({"closing", "planning"})
SETTLED, STUCK = "settled", frozenset({"needs_organiser", "no_plan"})
PLAN_TIMEOUT_S = 600.0
BATCH = 100


class Yard:
    """The operators and their drivers, as they use the service. `operators` are signed in, by their code."""

    def __init__(
        self, *, organiser: Caller, operators: dict[str, Caller], public: Caller, inbox: httpx.AsyncClient, notes: Notes, seed: int
    ) -> None:
        self.organiser, self.operators, self.public, self.inbox, self.notes = organiser, operators, public, inbox, notes
        self.dice = Random(seed)  # noqa: S311  the same seed declines the same share

    async def dispatch(self, event_id: str, told: Callable[[str], None], *, wait: Callable[[], Awaitable[None]]) -> dict[str, Any]:
        """Closes booking, answers every offer until all duties are accepted; returns the dispatch as it stands then.

        `wait` is called while charges settle (one without an answer is looked up after a minute) and while a plan is made (declines are
        gathered for some seconds first): time that a stage may let pass.
        """
        await self.organiser.post(f"/api/events/{event_id}/dispatch")
        rounds: set[int] = set()
        decline = True

        async def step() -> dict[str, Any] | None:
            nonlocal decline
            view: dict[str, Any] = await self.organiser.get(f"/api/events/{event_id}/dispatch")
            told(view["stage"])
            if view["stage"] in WAITING:
                await wait()
            if view["stage"] == "needs_approval":
                await self.approve(event_id, view["shortfall_minor"])
            if view["stage"] in STUCK:
                raise StageError(f"dispatch is stuck: {view['stage']}, {view['incidents']}")
            if view["stage"] == "offering":
                rounds.add(view["round"])
                decline = len(rounds) <= ROUNDS_WITH_DECLINES
                await self.answer(event_id, decline=decline)
            return view if view["stage"] == SETTLED else None

        settled = await until(step, "every duty to be accepted", timeout_s=PLAN_TIMEOUT_S)
        self.notes.count("resolves", max(plan["round"] for plan in settled["plans"]) - 1)
        self.notes.count("duties", len(settled["duties"]))
        self.notes.count("unserved_people", sum(party["people"] for party in settled["unserved"]))
        return settled

    async def approve(self, event_id: str, shortfall_minor: int) -> None:
        """The house pays what fares do not carry; another figure meanwhile is asked for again."""
        try:
            await self.organiser.post(f"/api/events/{event_id}/shortfall/approve", {"shortfall_minor": shortfall_minor}, key=uuid4().hex)
        except Refused as refused:
            if refused.status != httpx.codes.CONFLICT:
                raise

    async def answer(self, event_id: str, *, decline: bool) -> None:
        """Every operator answers what waits for it: at least one no in a round with declines."""
        waiting = [
            (operator, offer)
            for operator in self.operators.values()
            for offer in (await operator.get("/api/operator/offers", state="sent", limit="100"))["items"]
            if offer["event_id"] == event_id
        ]
        reasons = itertools.cycle(REASONS)
        for number, (operator, offer) in enumerate(waiting):
            if decline and (number == 0 or self.dice.random() < DECLINE_SHARE):
                await self.say_no(operator, offer["id"], next(reasons))
            else:
                await self.say_yes(operator, offer["id"])

    async def say_no(self, operator: Caller, offer_id: str, reason: str) -> None:
        """Declines; an offer withdrawn meanwhile is no fault."""
        try:
            await operator.post(f"/api/operator/offers/{offer_id}/decline", {"reason": reason, "note": "rehearsal"})
        except Refused as refused:
            self.tolerate(refused)
        else:
            self.notes.count("offers_declined")
            self.notes.promises.declined.append(offer_id)

    async def say_yes(self, operator: Caller, offer_id: str) -> None:
        """Accepts; an offer withdrawn meanwhile is no fault."""
        try:
            await operator.post(f"/api/operator/offers/{offer_id}/accept")
        except Refused as refused:
            self.tolerate(refused)
        else:
            self.notes.promises.accepted.append(offer_id)

    def tolerate(self, refused: Refused) -> None:
        """What may happen between reading an offer and answering it."""
        known = {"offer_withdrawn", "offer_superseded", "offer_expired"}
        if refused.code not in (known | {"offer_already_accepted", "offer_already_declined"} if refused.repeated else known):
            raise refused

    async def assign(self, event_id: str) -> list[tuple[str, str]]:
        """Each company puts free drivers on its duties; returns (duty, address of the first driver)."""
        crews = []
        for operator in self.operators.values():
            drivers = [driver for driver in await operator.get("/api/operator/drivers") if driver["active"]]
            duties = [offer["duty"] for offer in await operator.get("/api/operator/duties") if offer["event_id"] == event_id]
            free = iter(drivers)
            for duty in duties:
                for seat in range(1, duty["drivers_needed"] + 1):
                    driver = await self.seat(operator, duty["id"], seat, free)
                    if seat == 1:
                        crews.append((duty["id"], driver["email"]))
        return crews

    async def seat(self, operator: Caller, duty_id: str, seat: int, free: Any) -> dict[str, Any]:
        """The next driver who is not on another duty then."""
        for driver in free:
            try:
                await operator.post(f"/api/operator/duties/{duty_id}/drivers", {"driver_id": driver["id"], "seat": seat})
            except Refused as refused:
                if refused.code != "driver_busy":
                    raise
            else:
                found: dict[str, Any] = driver
                return found
        raise StageError(f"no driver is free for duty {duty_id}")

    async def open_links(self, crews: list[tuple[str, str]], code_of: dict[str, str]) -> list[Caller]:
        """The drivers open the links they were mailed."""
        return list(await asyncio.gather(*(self.open_link(email, code_of[duty_id]) for duty_id, email in crews)))

    async def open_link(self, email: str, duty_code: str) -> Caller:
        """The link in the newest mail about this duty."""

        async def mailed() -> str | None:
            answer = await self.inbox.get("/api/messages", params={"to": email})
            found = [mail for mail in answer.json() if duty_code in mail["subject"]]
            links = [link for mail in found for link in mail["links"] if "/d/" in link]
            return links[-1].rsplit("/d/", 1)[1] if links else None

        return self.public.as_bearer(await until(mailed, f"the mail to the driver of duty {duty_code}"))

    async def board(self, driver: Caller, *, at: Callable[[], Awaitable[datetime]]) -> None:
        """One driver fetches the manifest, checks everybody in on both legs, one of them twice, says where the bus is, and departs."""
        sheet = await driver.get("/api/driver/manifest")
        self.notes.count("manifests")
        now = (await at()).isoformat()
        arrivals = [
            {"id": str(uuid4()), "checked_at": now, "pledge_id": party["pledge_id"], "person": person, "leg": leg}
            for leg in ("outbound", "return")
            for call in sheet["manifest"][leg]
            for party in call["parties"]
            for person in range(1, party["seats"] + party["wheelchairs"] + 1)
        ]
        for start in range(0, len(arrivals), BATCH):
            await self.check_in(driver, arrivals[start : start + BATCH])
        if arrivals:
            await self.check_in(driver, arrivals[:1], again=True)
        depot = sheet["manifest"]["depot"]
        here = {"at": now, "lat": depot["lat"], "lon": depot["lon"], "accuracy_m": 15.0}
        await driver.post("/api/driver/positions", {"positions": [here]}, may_repeat=True)
        await driver.post("/api/driver/departure", may_repeat=True)

    async def see_home(self, event_id: str) -> None:
        """Every trip that had a bus is completed once its last duty has ended."""
        shown = await self.public.get(f"/api/events/{event_id}")
        late = [
            f"{trip['origin']} is {trip['state']}" for trip in shown["trips"] if trip["state"] in {"confirmed", "allocated", "departed"}
        ]
        if late:
            self.notes.violated("trips end with their last duty", late)

    async def check_in(self, driver: Caller, arrivals: list[dict[str, Any]], *, again: bool = False) -> None:
        """A batch; each must be accepted, and a repeated one recognised."""
        answers = (await driver.post("/api/driver/check-ins", {"check_ins": arrivals}))["outcomes"]
        wanted = {"repeated"} if again else {"accepted", "repeated"} if driver.insists else {"accepted"}
        wrong = [f"{one['id']}: {one['status']} {one['code']}" for one in answers if one["status"] not in wanted]
        if wrong:
            self.notes.violated("check-ins are taken", wrong)
        if not again:
            self.notes.count("check_ins", len(answers) - len(wrong))
            self.notes.promises.checked_in += [one["id"] for one in answers if one["status"] in wanted]
