"""Pledges to one trip that came at about the same time: one lock, one commit, and an answer of its own for each (ADR 0015)."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
import msgspec

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import NotFound, Refusal
from app.core.idempotency import KeyReused, find_effects, keep_effects
from app.core.ids import derived_token
from app.core.live import tell
from app.core.log import logger
from app.core.timers import set_timers
from app.domain.events import store as events
from app.domain.events.model import Event
from app.domain.notifications.model import NewMail
from app.domain.notifications.service import queue_mails
from app.domain.payments import store as payments
from app.domain.payments.model import Payment
from app.domain.pledges import store as pledges
from app.domain.pledges.model import HOLD, NewPledge, Pledge, PledgeState, born
from app.domain.trips import store as trips
from app.domain.trips.model import Trip
from app.domain.trips.store import TripLock
from app.flows.confirm_trip import collect_fares, confirm_within
from app.flows.pledge_tally import Facts, Tally
from app.flows.pledge_wish import PlacedPledge, PledgeRequest
from app.flows.tell_counts import tell_counts_within
from app.flows.wait_for_seats import read_kept_for_line

log = logger(__name__)
Answer = PlacedPledge | Exception
NOT_THE_PLEDGE = (  # what fails a whole batch whatever its pledges are: asking one by one would not help
    asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, asyncpg.QueryCanceledError, asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError, asyncpg.CannotConnectNowError, asyncpg.InternalClientError,
    OSError, TimeoutError,
)  # fmt: skip


async def place_batch(
    pool: Pool, trip_id: UUID, requests: Sequence[PledgeRequest], *, secret: str, lock_trip: TripLock = trips.lock_trip
) -> list[Answer]:
    """Decides requests (their keys differ) in their order and commits; one answer or refusal for each, in the same order.

    Should the database refuse what the rules let through, each is tried alone, so that one pledge never fails its neighbours.
    Raises what fails all of them: a lock not to be had, a lost connection.
    """
    try:
        async with transaction(pool) as conn:
            return await place_batch_within(conn, trip_id, requests, secret=secret, lock_trip=lock_trip)
    except NOT_THE_PLEDGE:
        raise
    except Exception:
        if len(requests) == 1:
            raise
        log.exception("pledge_batch.one_by_one", trip_id=str(trip_id), requests=len(requests))
    return [await place_alone(pool, trip_id, request, secret=secret, lock_trip=lock_trip) for request in requests]


async def place_alone(pool: Pool, trip_id: UUID, request: PledgeRequest, *, secret: str, lock_trip: TripLock) -> Answer:
    """A batch of one; what goes wrong is its own answer."""
    try:
        return (await place_batch(pool, trip_id, [request], secret=secret, lock_trip=lock_trip))[0]
    except Exception as error:  # noqa: BLE001  it is raised where the caller waits
        return error


async def place_batch_within(
    conn: Connection, trip_id: UUID, requests: Sequence[PledgeRequest], *, secret: str, lock_trip: TripLock
) -> list[Answer]:
    """The same in a transaction it is given. A key claimed before answers again; only what is admitted keeps its key."""
    await act_as(conn, "rider", "pledged")
    trip = await lock_trip(conn, trip_id)
    if trip is None:
        return [NotFound("There is no such trip. The event's page lists those it has.", code="unknown_trip") for _ in requests]
    event = await events.get_event(conn, trip.event_id)
    assert event is not None
    answers = await answer_again(conn, event, trip_id, requests, secret=secret)
    if fresh := [request for request in requests if request.pledge_id not in answers]:
        facts = await read_facts(conn, trip, event, fresh)
        tally, admitted = Tally(trip, facts), []
        for request in fresh:
            try:
                admitted.append((request, tally.admit(request)))
            except Refusal as refusal:
                answers[request.pledge_id] = refusal
        if admitted:
            answers |= await store_admitted(conn, trip, facts, tally, admitted, secret=secret)
    return [answers[request.pledge_id] for request in requests]


async def answer_again(
    conn: Connection, event: Event, trip_id: UUID, requests: Sequence[PledgeRequest], *, secret: str
) -> dict[UUID, Answer]:
    """Answers to requests whose keys were used before: the same pledge for the same body, KeyReused for another."""
    effects = await find_effects(conn, scope=scope_of(trip_id), keys=[request.key for request in requests])
    if not effects:
        return {}
    before = {pledge.id: pledge for pledge in await pledges.list_pledges_by_id(conn, [effect.effect_id for effect in effects.values()])}
    answers: dict[UUID, Answer] = {}
    for request in requests:
        effect = effects.get(request.key)
        if effect is None:
            continue
        if effect.body_hash != request.body_hash:
            answers[request.pledge_id] = KeyReused("This key was sent before with another request. Use a new key for a new request.")
        else:
            answers[request.pledge_id] = placed(before[effect.effect_id], event, [], secret=secret, replayed=True)
    return answers


def scope_of(trip_id: UUID) -> str:
    """Idempotency keys of pledges belong to their trip, so that the trip's lock orders them too."""
    return f"pledge:{trip_id}"


async def read_facts(conn: Connection, trip: Trip, event: Event, requests: Sequence[PledgeRequest]) -> Facts:
    """What these requests are decided by, read after the lock."""
    accounts = [r.account_id for r in requests if r.wish.payment_method is not None and r.account_id is not None]
    cards = await pledges.find_saved_cards(conn, accounts) if accounts else {}
    fingerprints = {card.card_fingerprint for card in cards.values() if card.card_fingerprint is not None}
    return Facts(
        now=await busload_now(conn),
        event=event,
        stops={stop.id: stop for stop in await events.list_stops_of_trip(conn, trip.id)},
        cards=cards,
        people_on_card=await pledges.people_on_cards(conn, trip_id=trip.id, fingerprints=list(fingerprints)) if fingerprints else {},
        live_addresses=await pledges.find_live_addresses(conn, trip_id=trip.id, addresses=[r.email_normalised for r in requests]),
        kept_for_line=await read_kept_for_line(conn, trip),
    )


async def store_admitted(
    conn: Connection, trip: Trip, facts: Facts, tally: Tally, admitted: Sequence[tuple[PledgeRequest, NewPledge]], *, secret: str
) -> dict[UUID, Answer]:
    """Writes what was admitted, in a few statements: what came up to the tipping pledge, the confirmation, then what came after it."""
    await keep_effects(conn, scope=scope_of(trip.id), effects=[(r.key, r.body_hash, r.pledge_id) for r, _ in admitted])
    new = [pledge for _, pledge in admitted]
    to_tip = 1 + next((i for i, pledge in enumerate(new) if pledge.id == tally.tipped_by), -1)
    now = await add_counted(conn, trip, facts, new[:to_tip])
    if to_tip:
        await act_as(conn, actor_of(admitted[to_tip - 1][0]), "pledged")
        await confirm_within(conn, now, tipped_by=tally.tipped_by, now=facts.now)
        await act_as(conn, "rider", "pledged")
    now = await add_counted(conn, now, facts, new[to_tip:])
    born_now = [born(pledge, facts.now) for pledge in new]
    await collect_fares(conn, now, [pledge.id for pledge in born_now[to_tip:] if pledge.state is PledgeState.CONFIRMED])
    if any(pledge.card is not None for pledge in new):
        await tell_counts_within(conn, now)
    await tell(conn, "trip", trip.id)
    return await answers_for(conn, facts.event, born_now, tipped=to_tip, secret=secret)


async def add_counted(conn: Connection, trip: Trip, facts: Facts, new: Sequence[NewPledge]) -> Trip:
    """Stores pledges, counts their people, sets the timers of those that wait for a card, tells each rider; the trip as it is then."""
    if not new:
        return trip
    pending = [pledge for pledge in new if pledge.card is None]
    held = sum(pledge.people for pledge in pending)
    await pledges.add_pledges(conn, new)
    counted = await trips.move_people(conn, trip.id, held=held, secured=sum(pledge.people for pledge in new) - held)
    assert counted is not None, "the tally kept the cap, under the trip's lock"
    if pending:
        await set_timers(conn, "pledge_hold", [pledge.id for pledge in pending], facts.now + HOLD)
    await queue_mails(conn, [placed_mail(pledge, trip, facts.event) for pledge in new])
    return counted


async def answers_for(conn: Connection, event: Event, born_now: Sequence[Pledge], *, tipped: int, secret: str) -> dict[UUID, Answer]:
    """Each new pledge as it is at the end of the batch, with the charge a confirmed trip made due; the first `tipped` were born before."""
    ends = [
        msgspec.structs.replace(pledge, state=PledgeState.CONFIRMED) if i < tipped and pledge.state is PledgeState.ACTIVE else pledge
        for i, pledge in enumerate(born_now)
    ]
    confirmed = [pledge.id for pledge in ends if pledge.state is PledgeState.CONFIRMED]
    charges: dict[UUID, list[Payment]] = {pledge_id: [] for pledge_id in confirmed}
    for payment in await payments.list_payments_of(conn, confirmed) if confirmed else []:
        charges[payment.reference].append(payment)
    return {pledge.id: placed(pledge, event, charges.get(pledge.id, []), secret=secret, replayed=False) for pledge in ends}


def placed(pledge: Pledge, event: Event, charges: list[Payment], *, secret: str, replayed: bool) -> PlacedPledge:
    """An answer."""
    token = derived_token(secret, "manage", pledge.id)
    return PlacedPledge(pledge=pledge, event=event, charges=charges, manage_token=token, replayed=replayed)


def actor_of(request: PledgeRequest) -> str:
    """Whom the audit trail names for what a pledge sets off; its own birth names the rider by itself (`audit_pledge_births`)."""
    return f"rider:{request.account_id}" if request.account_id else "rider"


def placed_mail(pledge: NewPledge, trip: Trip, event: Event) -> NewMail:
    """The link that opens the pledge goes to its owner."""
    return NewMail(
        dedupe_key=f"pledge-placed:{pledge.id}", recipient=pledge.email, template="pledge_placed", locale=pledge.locale,
        subject_id=pledge.id,
        data={
            "pledge_id": str(pledge.id), "name": pledge.name, "code": pledge.public_code, "origin": trip.origin, "people": pledge.people,
            "amount_minor": pledge.price_minor * pledge.people, "currency": pledge.currency, "deadline_at": trip.deadline_at.isoformat(),
            "zone": trip.zone, "needs_card": pledge.state is PledgeState.PENDING_CARD, "event": event.name,
        },
    )  # fmt: skip
