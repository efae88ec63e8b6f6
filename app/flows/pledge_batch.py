"""Pledges to one trip that came at about the same time: one lock, one commit, and an answer of its own for each (ADR 0015)."""

from collections.abc import Callable, Sequence
from uuid import UUID

import asyncpg
import msgspec

from app.core.audit import act_as
from app.core.database import Connection, KeptConnection, Pool, transaction
from app.core.errors import NotFound, Refusal
from app.core.idempotency import KeyReused
from app.core.ids import derived_token
from app.core.live import encode_news
from app.core.log import logger
from app.core.timers import set_timers
from app.domain.events.model import Event
from app.domain.payments import store as payments
from app.domain.payments.model import Payment
from app.domain.pledges import store as pledges
from app.domain.pledges.model import HOLD, NewPledge, Pledge, PledgeState, born
from app.domain.trips import store as trips
from app.domain.trips.model import Trip
from app.domain.trips.store import TripLock
from app.flows.confirm_trip import collect_fares, confirm_within
from app.flows.pledge_store import Admitted, BatchRead, read_batch, store_batch
from app.flows.pledge_tally import Facts, Tally
from app.flows.pledge_wish import PlacedPledge, PledgeRequest
from app.flows.tell_counts import tell_counts_within
from app.flows.wait_for_seats import read_kept_for_line

log = logger(__name__)
Answer = PlacedPledge | Exception
Choose = Callable[[], Sequence[PledgeRequest]]
NOT_THE_PLEDGE = (  # what fails a whole batch whatever its pledges are: asking one by one would not help
    asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, asyncpg.QueryCanceledError, asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError, asyncpg.CannotConnectNowError, asyncpg.InternalClientError,
    OSError, TimeoutError,
)  # fmt: skip


async def place_batch(
    pool: Pool | KeptConnection, trip_id: UUID, requests: Sequence[PledgeRequest], *, secret: str, lock_trip: TripLock = trips.lock_trip
) -> list[Answer]:
    """The same for requests that are chosen already."""
    return await place_waiting(pool, trip_id, lambda: requests, secret=secret, lock_trip=lock_trip)


async def place_waiting(
    pool: Pool | KeptConnection, trip_id: UUID, choose: Choose, *, secret: str, lock_trip: TripLock = trips.lock_trip
) -> list[Answer]:
    """Decides the requests that `choose` gives once the trip is locked (their keys differ) in their order and commits.

    One answer or refusal for each, in the same order. Should the database refuse what the rules let through, each is tried alone, so that
    one pledge never fails its neighbours. Raises what fails all of them: a lock not to be had, a lost connection.
    """
    requests: Sequence[PledgeRequest] = []
    try:
        async with transaction(pool) as conn:
            trip = await lock_trip(conn, trip_id)
            requests = choose()
            return await place_within(conn, trip, requests, secret=secret)
    except NOT_THE_PLEDGE:
        raise
    except Exception:
        if len(requests) <= 1:
            raise
        log.exception("pledge_batch.one_by_one", trip_id=str(trip_id), requests=len(requests))
    return [await place_alone(pool, trip_id, request, secret=secret, lock_trip=lock_trip) for request in requests]


async def place_alone(pool: Pool | KeptConnection, trip_id: UUID, request: PledgeRequest, *, secret: str, lock_trip: TripLock) -> Answer:
    """A batch of one; what goes wrong is its own answer."""
    try:
        return (await place_batch(pool, trip_id, [request], secret=secret, lock_trip=lock_trip))[0]
    except Exception as error:  # noqa: BLE001  it is raised where the caller waits
        return error


async def place_within(conn: Connection, trip: Trip | None, requests: Sequence[PledgeRequest], *, secret: str) -> list[Answer]:
    """The same on a locked trip, in its transaction. A key claimed before answers again; only what is admitted keeps its key."""
    if trip is None:
        return [NotFound("There is no such trip. The event's page lists those it has.", code="unknown_trip") for _ in requests]
    if not requests:
        return []
    read = await read_batch(conn, trip, scope=scope_of(trip.id), requests=requests)
    answers = await answer_again(conn, read, requests, secret=secret) if read.effects else {}
    if fresh := [request for request in requests if request.pledge_id not in answers]:
        kept_for_line = await read_kept_for_line(conn, trip) if read.has_line else 0
        tally, admitted = Tally(trip, facts_of(read, kept_for_line=kept_for_line)), []
        for request in fresh:
            try:
                admitted.append((request, tally.admit(request)))
            except Refusal as refusal:
                answers[request.pledge_id] = refusal
        if admitted:
            answers |= await store_admitted(conn, trip, read, tally, admitted)
    return [answers[request.pledge_id] for request in requests]


async def answer_again(conn: Connection, read: BatchRead, requests: Sequence[PledgeRequest], *, secret: str) -> dict[UUID, Answer]:
    """Answers to requests whose keys were used before: the same pledge for the same body, KeyReused for another."""
    found = await pledges.list_pledges_by_id(conn, [effect.effect_id for effect in read.effects.values()])
    before = {pledge.id: pledge for pledge in found}
    answers: dict[UUID, Answer] = {}
    for request in requests:
        effect = read.effects.get(request.key)
        if effect is None:
            continue
        if effect.body_hash != request.body_hash:
            answers[request.pledge_id] = KeyReused("This key was sent before with another request. Use a new key for a new request.")
        else:
            answers[request.pledge_id] = PlacedPledge(
                pledge=before[effect.effect_id], event=read.event, charges=[], replayed=True,
                manage_token=derived_token(secret, "manage", effect.effect_id),
            )  # fmt: skip
    return answers


def scope_of(trip_id: UUID) -> str:
    """Idempotency keys of pledges belong to their trip, so that the trip's lock orders them too."""
    return f"pledge:{trip_id}"


def facts_of(read: BatchRead, *, kept_for_line: int) -> Facts:
    """What new requests are decided by."""
    return Facts(
        now=read.now, event=read.event, stops={stop.id: stop for stop in read.stops}, cards=read.cards,
        people_on_card=read.people_on_card, live_addresses=read.live_addresses, kept_for_line=kept_for_line,
    )  # fmt: skip


async def store_admitted(
    conn: Connection, trip: Trip, read: BatchRead, tally: Tally, admitted: Sequence[tuple[PledgeRequest, NewPledge]]
) -> dict[UUID, Answer]:
    """Writes what was admitted, in a few statements: what came up to the tipping pledge, the confirmation, then what came after it."""
    to_tip = 1 + next((i for i, (_, pledge) in enumerate(admitted) if pledge.id == tally.tipped_by), -1)
    now = await add_counted(conn, trip, read, admitted[:to_tip])
    if to_tip:
        await act_as(conn, actor_of(admitted[to_tip - 1][0]), "pledged")
        await confirm_within(conn, now, tipped_by=tally.tipped_by, now=read.now)
        await act_as(conn, "rider", "pledged")
    now = await add_counted(conn, now, read, admitted[to_tip:])
    born_now = [born(pledge, read.now) for _, pledge in admitted]
    await collect_fares(conn, now, [pledge.id for pledge in born_now[to_tip:] if pledge.state is PledgeState.CONFIRMED])
    if read.event.partner_id is not None and now.secured > trip.secured:
        await tell_counts_within(conn, now)
    return await answers_for(conn, read.event, admitted, born_now, tipped=to_tip)


async def add_counted(conn: Connection, trip: Trip, read: BatchRead, admitted: Sequence[tuple[PledgeRequest, NewPledge]]) -> Trip:
    """Stores pledges, counts their people, sets the timers of those that wait for a card, tells each rider; the trip as it is then."""
    if not admitted:
        return trip
    new = [pledge for _, pledge in admitted]
    held = sum(pledge.people for pledge in new if pledge.card is None)
    counted = await store_batch(
        conn, trip.id, scope=scope_of(trip.id),
        admitted=[Admitted(key=request.key, body_hash=request.body_hash, pledge=pledge) for request, pledge in admitted],
        held=held, secured=sum(pledge.people for pledge in new) - held, mail=mail_about(trip, read.event),
        news=encode_news("trip", trip.id),
    )  # fmt: skip
    assert counted is not None, "the tally kept the cap, under the trip's lock"
    if pending := [pledge.id for pledge in new if pledge.card is None]:
        await set_timers(conn, "pledge_hold", pending, read.now + HOLD)
    return counted


async def answers_for(
    conn: Connection, event: Event, admitted: Sequence[tuple[PledgeRequest, NewPledge]], born_now: Sequence[Pledge], *, tipped: int
) -> dict[UUID, Answer]:
    """Each new pledge as it is at the end of the batch, with the charge a confirmed trip made due; the first `tipped` were born before."""
    ends = [
        msgspec.structs.replace(pledge, state=PledgeState.CONFIRMED) if i < tipped and pledge.state is PledgeState.ACTIVE else pledge
        for i, pledge in enumerate(born_now)
    ]
    confirmed = [pledge.id for pledge in ends if pledge.state is PledgeState.CONFIRMED]
    charges: dict[UUID, list[Payment]] = {pledge_id: [] for pledge_id in confirmed}
    for payment in await payments.list_payments_of(conn, confirmed) if confirmed else []:
        charges[payment.reference].append(payment)
    return {
        pledge.id: PlacedPledge(
            pledge=pledge, event=event, charges=charges.get(pledge.id, []), manage_token=request.manage_token, replayed=False
        )
        for (request, _), pledge in zip(admitted, ends, strict=True)
    }


def actor_of(request: PledgeRequest) -> str:
    """Whom the audit trail names for what a pledge sets off; its own birth names the rider by itself (`audit_pledge_births`)."""
    return f"rider:{request.account_id}" if request.account_id else "rider"


def mail_about(trip: Trip, event: Event) -> dict[str, str]:
    """What every rider of the trip is told with the link that opens their pledge."""
    return {"origin": trip.origin, "event": event.name, "deadline_at": trip.deadline_at.isoformat(), "zone": trip.zone}
