"""What riders, operators, organisers and banks do in a town. Each act picks its subject by the seed's dice; refusals are answers too."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from app.core.ids import derived_token, new_id
from app.domain.dispatch.model import DeclineReason
from app.domain.manifests import store as manifests
from app.domain.manifests.model import ridings
from app.domain.manifests.passes import signing_key
from app.domain.pledges.model import TransferState
from app.flows.answer_offer import accept_offer, decline_offer
from app.flows.approve_charge import approve_charge, look_at_charge
from app.flows.assign_driver import assign_driver
from app.flows.cancel_trip import cancel_trip
from app.flows.card_saved import look_at_card_page
from app.flows.change_event import EventMove, cancel_event, move_event
from app.flows.change_pledge import PledgeChange, change_pledge
from app.flows.check_in import NamedPerson, check_in
from app.flows.close_booking import dispatch_event
from app.flows.close_manifest import close_manifest
from app.flows.complete_duty import end_duty
from app.flows.onboard_payee import open_onboarding
from app.flows.open_card_page import open_card_page
from app.flows.place_pledge import PledgeWish, place_pledge
from app.flows.plan_event import ease_trip
from app.flows.pull_out import pull_out
from app.flows.transfer_pledge import accept_transfer, cancel_transfer, end_transfer, offer_transfer
from app.flows.wait_for_seats import join_waitlist, leave_waitlist
from app.flows.withdraw_pledge import withdraw_pledge
from tests.simulation.town import BASE_URL, OnSale, Rider, Town
from tests.support.service import SECRET

HABITS = ["good"] * 7 + ["poor", "shaky", "asks"]


class People:
    """Everybody who is not the worker."""

    def __init__(self, town: Town) -> None:
        self.town, self.dice, self.pool = town, town.dice, town.pool
        self._number = 0

    # riders

    def wish(self, trip: OnSale) -> PledgeWish:
        """A party of somebody new, now and then of somebody known."""
        self._number += self.dice.random() < 0.93
        legs = self.dice.choice([("outbound", "return")] * 3 + [("outbound",), ("return",)])
        return PledgeWish(
            stop_id=self.dice.choice(trip.stops), name="Ada", email=f"rider{self._number}@example.org", phone="", needs="", locale="en",
            seats=self.dice.choice([1, 1, 2, 2, 3]), wheelchairs=self.dice.choice([0] * 9 + [1]), legs=legs, payment_method=None,
        )  # fmt: skip

    async def pledge(self) -> None:
        """Somebody pledges, and mostly goes on to the card page."""
        trip = self.dice.choice(self.town.trips)
        wish = self.wish(trip)
        self._number += 1
        key, goes_on = f"key-{self._number}", self.dice.random() < 0.9
        habit, returns = self.dice.choice(HABITS), self.dice.random() < 0.6

        async def place() -> None:
            placed = await place_pledge(
                self.pool, trip.id, wish, key=key, body=key.encode(), secret=SECRET, account_id=None, partner_key_id=None
            )
            rider = Rider(pledge_id=placed.pledge.id, manage_token=placed.manage_token)
            self.town.riders.append(rider)
            if goes_on:
                await self.type_card(rider, habit, returns=returns)

        await self.town.attempt(f"pledge of {wish.people} on {self.town.trips.index(trip)}, card {habit if goes_on else 'none'}", place())

    async def type_card(self, rider: Rider, habit: str, *, returns: bool) -> None:
        """The card page, from its opening to the rider's return, if there is one."""
        url = await open_card_page(
            self.pool, rider.pledge_id, gateway=self.town.gateway, base_url=BASE_URL, manage_token=rider.manage_token
        )
        session = url.rsplit("/", 1)[1]
        self.town.bank.save_card(session, habit, f"card-{session}")
        if returns:
            await look_at_card_page(self.pool, rider.pledge_id, gateway=self.town.gateway)

    async def another_card(self) -> None:
        """A rider who has none, or whose card failed, types one."""
        if rider := self.some_rider():
            habit, returns = self.dice.choice(HABITS), self.dice.random() < 0.7
            await self.town.attempt(f"card {habit} of rider {self.nr(rider)}", self.type_card(rider, habit, returns=returns))

    async def take_offered_seats(self) -> None:
        """Somebody from a waiting line follows the link of the offer."""
        known = {rider.pledge_id for rider in self.town.riders}
        rows = await self.pool.fetch("SELECT id FROM pledges WHERE state = 'pending_card' ORDER BY id")
        fresh = [row["id"] for row in rows if row["id"] not in known]
        if fresh:
            pledge_id = self.dice.choice(fresh)
            rider = Rider(pledge_id=pledge_id, manage_token=derived_token(SECRET, "manage", pledge_id))
            self.town.riders.append(rider)
            await self.town.attempt("offered seats are taken", self.type_card(rider, self.dice.choice(HABITS), returns=True))

    def some_rider(self) -> Rider | None:
        return self.dice.choice(self.town.riders) if self.town.riders else None

    def nr(self, rider: Rider) -> int:
        return self.town.riders.index(rider)

    async def withdraw(self) -> None:
        """A rider leaves."""
        if rider := self.some_rider():
            await self.town.attempt(f"rider {self.nr(rider)} withdraws", withdraw_pledge(self.pool, rider.pledge_id, actor="rider"))

    async def change(self) -> None:
        """A rider wants other seats or legs."""
        if rider := self.some_rider():
            seats, legs = self.dice.choice([(1, None), (3, None), (4, None), (None, ("outbound",)), (None, ("outbound", "return"))])
            change = PledgeChange(stop_id=None, seats=seats, wheelchairs=None, legs=legs, needs=None)
            what = f"rider {self.nr(rider)} changes to {seats or legs}"
            await self.town.attempt(what, change_pledge(self.pool, rider.pledge_id, change, actor="rider"))

    async def pass_on(self) -> None:
        """A rider offers the seats to somebody else."""
        if rider := self.some_rider():
            self._number += 1
            offer = offer_transfer(
                self.pool, rider.pledge_id, name="Bea", email=f"taker{self._number}@example.org", secret=SECRET, actor="rider"
            )
            await self.town.attempt(f"rider {self.nr(rider)} passes the seats on", offer)

    async def answer_transfer(self) -> None:
        """Seats that were passed on are taken, declined, or taken back."""
        row = await self.town.one("SELECT id, pledge_id FROM transfers WHERE state = 'offered' ORDER BY id")
        if row is None:
            return
        step: Any = self.dice.choice(
            [
                lambda: accept_transfer(self.pool, row["id"], phone="", needs="", secret=SECRET),
                lambda: accept_transfer(self.pool, row["id"], phone="", needs="", secret=SECRET),
                lambda: end_transfer(self.pool, row["id"], go_to=TransferState.CANCELLED, actor="rider"),
                lambda: cancel_transfer(self.pool, row["pledge_id"], actor="rider"),
            ]
        )
        await self.town.attempt("a transfer is answered", step())

    async def join_line(self) -> None:
        """Somebody waits for seats; now and then one who waits leaves."""
        if self.town.waiting and self.dice.random() < 0.2:
            await self.town.attempt("somebody leaves the line", leave_waitlist(self.pool, self.dice.choice(self.town.waiting)))
            return
        trip = self.dice.choice(self.town.trips)
        wish = self.wish(trip)

        async def join() -> None:
            joined = await join_waitlist(self.pool, trip.id, wish, secret=SECRET)
            self.town.waiting.append(joined.entry.id)

        await self.town.attempt(f"a party of {wish.people} joins the line of {self.town.trips.index(trip)}", join())

    async def approve_at_bank(self) -> None:
        """A rider whose bank asks goes there, and says yes or no."""
        row = await self.town.one(
            "SELECT reference, intent_ref FROM payments WHERE state = 'needs_action' AND intent_ref IS NOT NULL ORDER BY id"
        )
        if row is None:
            return
        approves, comes_back = self.dice.random() < 0.75, self.dice.random() < 0.6

        async def go() -> None:
            await approve_charge(self.pool, row["reference"], gateway=self.town.gateway, return_url=BASE_URL)
            self.town.bank.decide(row["intent_ref"], approved=approves)
            if comes_back:
                await look_at_charge(self.pool, row["reference"], gateway=self.town.gateway)

        await self.town.attempt(f"bank asks, {'yes' if approves else 'no'}", go())

    # organisers

    async def ease(self) -> None:
        """A lower minimum, or a later deadline."""
        trip = self.dice.choice(self.town.trips)
        row = await self.town.one("SELECT minimum, deadline_at FROM trips WHERE id = $1", trip.id)
        minimum = max(1, row["minimum"] - 1) if self.dice.random() < 0.5 else None
        later = row["deadline_at"] + timedelta(hours=20) if minimum is None else None
        await self.town.attempt(
            f"ease trip {self.town.trips.index(trip)}: {minimum or 'later'}",
            ease_trip(self.pool, trip.id, minimum=minimum, deadline_at=later, actor="organiser"),
        )

    async def cancel(self) -> None:
        """A trip, or the whole event, is called off."""
        if self.dice.random() < 0.7:
            trip = self.dice.choice(self.town.trips)
            what = f"cancel trip {self.town.trips.index(trip)}"
            await self.town.attempt(what, cancel_trip(self.pool, trip.id, actor="organiser", reason="no bus"))
            return
        event_id = self.dice.choice(self.town.event_ids)
        await self.town.attempt("cancel an event", cancel_event(self.pool, event_id, actor="organiser", reason="called off"))

    async def move(self) -> None:
        """The event is a day later."""
        event_id = self.dice.choice(self.town.event_ids)
        event = a_day_later(await self.pool.fetchrow(EVENT_TIMES, event_id))
        await self.town.attempt("move an event", move_event(self.pool, event_id, event, actor="organiser"))

    async def dispatch(self) -> None:
        """Booking is closed by hand, or planned once more."""
        event_id = self.dice.choice(self.town.event_ids)
        await self.town.attempt("dispatch an event", dispatch_event(self.pool, event_id, actor="organiser"))

    # operators and drivers

    async def wait_for_answers(self) -> bool:
        """Whether an offer or a plan's shortfall waits for somebody."""
        found: bool = await self.pool.fetchval(
            "SELECT EXISTS (SELECT FROM offers WHERE state = 'sent') OR EXISTS (SELECT FROM plans WHERE is_current AND needs_approval)"
        )
        return found

    async def answer_offer(self) -> None:
        """An operator says yes, mostly."""
        row = await self.town.one("SELECT id FROM offers WHERE state = 'sent' ORDER BY id")
        if row is None:
            return
        if self.dice.random() < 0.75:
            await self.town.attempt("an offer is accepted", accept_offer(self.pool, row["id"], actor="operator"))
            return
        reason = self.dice.choice([DeclineReason.BUSY, DeclineReason.PRICE])
        no = decline_offer(self.pool, row["id"], reason=reason, note="", actor="operator")
        await self.town.attempt(f"an offer is declined: {reason.value}", no)

    async def ride(self) -> bool:
        """Whether a bus with its manifest is ahead or on the road."""
        found: bool = await self.pool.fetchval("SELECT EXISTS (SELECT FROM current_manifests WHERE ended_at IS NULL)")
        return found

    async def is_out(self) -> bool:
        """Whether a bus has left its last outbound stop and is not home."""
        found: bool = await self.pool.fetchval(
            "SELECT EXISTS (SELECT FROM current_manifests WHERE closed_at IS NOT NULL AND ended_at IS NULL)"
        )
        return found

    async def leave_planned(self) -> None:
        """A rider of a trip that is planned for leaves, by the refund ladder."""
        row = await self.town.one(PLANNED_FOR)
        if row is not None:
            await self.town.attempt("a rider leaves a planned trip", withdraw_pledge(self.pool, row["id"], actor="rider"))

    async def leave_duty(self) -> None:
        """An operator pulls out, mostly of a duty that has not begun."""
        row = await self.town.one(STILL_AHEAD if self.dice.random() < 0.9 else "SELECT id FROM offers WHERE state = 'accepted' ORDER BY id")
        if row is not None:
            await self.town.attempt("an operator pulls out", pull_out(self.pool, row["id"], note="broken", actor="operator"))

    async def crew(self) -> None:
        """A driver is put on a duty."""
        row = await self.town.one(
            """
            SELECT o.duty_id, d.id AS driver_id FROM offers o JOIN drivers d ON d.operator_id = o.operator_id
            WHERE o.state = 'accepted' ORDER BY o.id, d.id
            """
        )
        if row is not None and not await self.pool.fetchval(ASSIGNED_JUST_NOW, row["duty_id"], row["driver_id"]):
            step = assign_driver(self.pool, row["duty_id"], driver_id=row["driver_id"], seat=1, secret=SECRET, actor="operator")
            await self.town.attempt("a driver is assigned", step)

    async def drive(self) -> None:
        """A driver checks people in, leaves, or is home; some tap days before."""
        row = await self.town.one(ON_THE_ROAD, self.dice.random() < 0.3)
        if row is None:
            return
        duty_id: UUID = row["duty_id"]
        act = self.dice.choice(["board", "board", "leave", "home"])
        if act == "leave":
            await self.town.attempt("a bus leaves", close_manifest(self.pool, duty_id=duty_id, actor="driver"))
        elif act == "home":
            await self.town.attempt("a bus is home", end_duty(self.pool, duty_id=duty_id, actor="driver"))
        else:
            await self.board(duty_id)

    async def board(self, duty_id: UUID) -> None:
        """Some of the people on a manifest are checked in, some twice."""
        async with self.pool.acquire() as conn:
            manifest = await manifests.read_current_manifest(conn, duty_id)
        assert manifest is not None
        arrivals = [
            NamedPerson(id=new_id(), pledge_id=riding.pledge_id, person=person, leg=riding.leg, checked_at=self.town.stage.now)
            for riding in ridings(manifest.document)
            for person in range(1, riding.seats + riding.wheelchairs + 1)
            if self.dice.random() < 0.8
        ]
        again = [arrival for arrival in arrivals if self.dice.random() < 0.1]
        await self.town.attempt(
            f"{len(arrivals)} people are checked in",
            check_in(self.pool, duty_id=duty_id, arrivals=[*arrivals, *again], key=signing_key(SECRET)),
        )

    async def open_account(self) -> None:
        """An operator tells the provider where its money goes."""
        row = await self.town.one("SELECT id FROM operators WHERE id NOT IN (SELECT id FROM payees WHERE state = 'ready') ORDER BY id")
        if row is None:
            return

        async def onboard() -> None:
            await open_onboarding(
                self.pool, row["id"], country=None, gateway=self.town.gateway, return_url=BASE_URL, refresh_url=BASE_URL, actor="operator"
            )
            ref = await self.pool.fetchval("SELECT account_ref FROM payees WHERE id = $1", row["id"])
            if ref is not None and not self.town.bank.accounts[ref].transfers_enabled:
                self.town.bank.open_account(ref)

        await self.town.attempt("an operator opens its account", onboard())

    # banks

    async def trouble_from_banks(self) -> None:
        """A refund comes back, a charge is disputed, a dispute is decided."""
        bank = self.town.bank
        paid = [one.ref for one in bank.intents.values() if one.status == "succeeded"]
        back = [one.ref for one in bank.refunds.values() if one.status == "succeeded"]
        open_ones = [one.ref for one in bank.disputes.values() if one.status not in {"won", "lost"}]
        act = self.dice.choice(["dispute", "refund", "decide", "decide"])
        if act == "dispute" and paid:
            bank.open_dispute(ref := self.dice.choice(paid))
            self.town.say(f"bank: {ref} is disputed")
        elif act == "refund" and back and not bank.dispute_on(bank.intent_of_refund[ref := self.dice.choice(back)]):
            bank.send_refund_back(ref)
            self.town.say(f"bank: {ref} comes back")
        elif act == "decide" and open_ones:
            bank.close_dispute(ref := self.dice.choice(open_ones), won=(won := self.dice.random() < 0.5))
            self.town.say(f"bank: {ref} is {'won' if won else 'lost'}")


ON_THE_ROAD = """
SELECT c.duty_id FROM current_manifests c JOIN duties d ON d.id = c.duty_id
WHERE c.ended_at IS NULL AND (lower(d.during) <= busload_now() OR $1) ORDER BY c.duty_id
"""
ASSIGNED_JUST_NOW = "SELECT true FROM duty_drivers WHERE duty_id = $1 AND driver_id = $2 AND assigned_at = busload_now()"  # clocks move on
STILL_AHEAD = "SELECT id FROM offers WHERE state = 'accepted' AND lower(during) > busload_now() ORDER BY id"
PLANNED_FOR = """
SELECT p.id FROM pledges p JOIN trips t ON t.id = p.trip_id JOIN events e ON e.id = t.event_id
WHERE p.state = 'paid' AND t.state IN ('confirmed', 'allocated') AND e.booking_closed_at IS NOT NULL ORDER BY p.id
"""
EVENT_TIMES = """
SELECT starts_at, ends_at, arrive_by_at, return_departs_at, booking_closes_at, capacity_deadline_at, venue_name, address, lat, lon
FROM events WHERE id = $1
"""


def a_day_later(row: Any) -> EventMove:
    """The event's times and place, a day later."""
    return EventMove(**{name: value + timedelta(days=1) if name.endswith("_at") else value for name, value in dict(row).items()})
