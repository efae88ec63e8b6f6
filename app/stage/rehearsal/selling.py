"""The selling half: organisers open trips, people pledge in a burst, some withdraw, trips tip or expire, cards are charged."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import msgspec

from app.stage.errors import StageError
from app.stage.rehearsal.calling import Caller, Refused, until
from app.stage.rehearsal.promises import PromisedPledge
from app.stage.rehearsal.report import Notes
from app.stage.rehearsal.script import Pledger, Script, TripScript, event_body, trip_body

EXPIRES_IN = timedelta(seconds=60)
LASTS = timedelta(days=14)
FORGOTTEN = "unknown_pledge"
NEWS_TIMEOUT_S = 180.0


class OpenTrip(msgspec.Struct, frozen=True, kw_only=True):
    """A trip on sale: its id, its stops' ids in the script's order, and its script."""

    id: str
    stops: list[str]
    script: TripScript


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A pledge that was placed, the token that opens it, and how it was to go on."""

    id: str
    token: str
    trip: OpenTrip
    pledger: Pledger


class Box:
    """The office that sells: nobody's caller, the organiser's, and the fake's control room."""

    def __init__(self, *, public: Caller, organiser: Caller, http: httpx.AsyncClient, notes: Notes, at_once: int) -> None:
        self.public, self.organiser, self.http, self.notes = public, organiser, http, notes
        self.gate = asyncio.Semaphore(at_once)
        self.stripe_root = ""

    async def open_event(self, script: Script) -> tuple[str, list[OpenTrip]]:
        """The event and its trips, on sale. Those that shall expire close in a minute."""
        event = await self.organiser.post("/api/events", event_body(script))
        trips = []
        for trip in script.trips:
            deadline_at = datetime.now(UTC) + (EXPIRES_IN if trip.expires else LASTS)
            made = await self.organiser.post(f"/api/events/{event['id']}/trips", trip_body(trip, script.event, deadline_at=deadline_at))
            await self.organiser.post(f"/api/trips/{made['id']}/open")
            detail = await self.public.get(f"/api/trips/{made['id']}")
            by_name = {stop["name"]: stop["id"] for stop in detail["stops"]}
            trips.append(OpenTrip(id=made["id"], stops=[by_name[stop.name] for stop in trip.record.stops], script=trip))
        return event["id"], trips

    async def sell(self, trips: list[OpenTrip], told: Callable[[], None], *, when: Callable[[float], Awaitable[None]]) -> list[Placed]:
        """Everybody pledges once it is time for their share of the crowd, those of the trips that close soon first; `told` after each."""
        queue = [(trip, pledger) for trip in sorted(trips, key=lambda one: not one.script.expires) for pledger in trip.script.pledgers]
        late = [entry for entry in queue if not entry[0].script.expires]
        soon = [entry for entry in queue if entry[0].script.expires]
        mixed = [late[index] for index in sorted(range(len(late)), key=lambda index: (index * 7919) % max(1, len(late)))]

        async def one(trip: OpenTrip, pledger: Pledger, share: float) -> Placed | None:
            await when(share)
            async with self.gate:
                placed = await self.pledge(trip, pledger)
            told()
            return placed

        shares = [0.0] * len(soon) + [number / len(mixed) for number in range(len(mixed))]
        done = await asyncio.gather(*(one(*entry, share) for entry, share in zip([*soon, *mixed], shares, strict=True)))
        return [placed for placed in done if placed is not None]

    async def pledge(self, trip: OpenTrip, pledger: Pledger) -> Placed | None:
        """One party from the form to the saved card. None when the trip was closed or full by then, which is no fault."""
        party = pledger.party
        body = {
            "stop_id": trip.stops[pledger.stop], "name": party.name, "email": party.email, "seats": party.seats,
            "wheelchairs": party.wheelchairs, "legs": list(party.legs), "needs": party.needs,
        }  # fmt: skip
        try:
            answer = await self.public.post(f"/api/trips/{trip.id}/pledges", body, key=uuid4().hex)
        except Refused as refused:
            if refused.code == FORGOTTEN:
                self.notes.violated("acknowledged writes survive", [f"{party.email}'s pledge was placed and then unknown"])
            elif refused.status != httpx.codes.CONFLICT:
                raise
            self.notes.count("refused")
            return None
        self.notes.count("pledges")
        self.notes.promises.pledges.append(
            PromisedPledge(id=answer["pledge"]["id"], trip_id=trip.id, email=party.email, seats=party.seats, wheelchairs=party.wheelchairs)
        )
        placed = Placed(id=answer["pledge"]["id"], token=answer["manage_token"], trip=trip, pledger=pledger)
        try:
            card_url = answer["pledge"]["card_url"] or await self.ask_for_card_page(placed)
        except Refused as refused:
            if refused.code != FORGOTTEN:
                raise
            return None  # placed and gone: the check of promises at the end names it
        await self.save_card(placed, card_url)
        if pledger.withdraws:
            await self.withdraw(placed)
        return placed

    def owner(self, placed: Placed) -> Caller:
        """Whoever holds the pledge's link."""
        return self.public.as_bearer(placed.token)

    async def ask_for_card_page(self, placed: Placed) -> str:
        """The card page could not be opened with the pledge: the rider tries again."""
        answer = await self.owner(placed).post(f"/api/pledges/{placed.id}/card", may_repeat=True)
        return str(answer["card_url"])

    async def save_card(self, placed: Placed, card_url: str) -> None:
        """The rider types a card into the hosted page and mostly comes back; the webhook tells of the others."""
        self.stripe_root, _, session = card_url.partition("/c/pay/")
        card = {"card": placed.pledger.card, "fingerprint_seed": placed.pledger.party.email}
        page = Caller(self.http, insists=self.public.insists)
        try:
            await page.post(f"{self.stripe_root}/_stage/sessions/{session.split('?')[0]}/complete", card)
        except Refused as refused:
            if not refused.repeated:  # done by a try whose answer was lost
                raise
        if placed.pledger.returns:
            with suppress(httpx.TransportError):  # a rider whose connection breaks; the webhook tells all the same
                back = await self.http.get(f"/p/{placed.token}/card-saved", params={"session": session})
                if back.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
                    self.notes.violated("pages answer", [f"card-saved answered {back.status_code}"])

    async def withdraw(self, placed: Placed) -> None:
        """The rider leaves; too late is no fault, the trip has tipped."""
        try:
            left = await self.owner(placed).post(f"/api/pledges/{placed.id}/withdraw", may_repeat=True)
        except Refused as refused:
            if refused.code not in {"pledge_confirmed", "trip_just_confirmed"} and not refused.repeated:
                raise
        else:
            if left["state"] == "released":  # its trip expired while a fault kept the request from arriving: there was nothing to leave
                return
            self.notes.count("withdrawals")
            self.notes.promises.withdrawn.append(placed.id)

    async def settle(self, event_id: str, *, hurry: Callable[[], Any]) -> None:
        """Waits until every trip has tipped or expired; `hurry` lets the clock run where that is allowed."""

        async def none_waiting_to_tip() -> bool:
            trips = await self.organiser.get(f"/api/organiser/events/{event_id}/trips")
            return all(trip["state"] != "open" or trip["held"] == 0 for trip in trips)

        async def none_waiting_to_count() -> bool:
            trips = await self.organiser.get(f"/api/organiser/events/{event_id}/trips")
            return all(trip["held"] == 0 for trip in trips)

        await until(none_waiting_to_tip, "the last saved card to count")
        with suppress(StageError):  # booking may close on those whose news is late: they are not charged
            await until(none_waiting_to_count, "the last saved card to count", timeout_s=NEWS_TIMEOUT_S)
        await hurry()
        trips = await until(lambda: self.decided(event_id), "every trip to tip or expire")
        for trip in trips:
            self.notes.count(f"trips_{trip['state']}")

    async def decided(self, event_id: str) -> list[dict[str, Any]] | None:
        """The trips once none is open any more."""
        trips: list[dict[str, Any]] = await self.organiser.get(f"/api/organiser/events/{event_id}/trips")
        return None if any(trip["state"] == "open" for trip in trips) else trips
