"""Seats passed on to another person: offered by the owner, accepted by a signed link. The money stays with who paid."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec

from app.core.audit import act_as, record_change
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict, FieldError, Gone, Invalid, NotFound
from app.core.ids import derived_token, link_subject, new_id, token_hash
from app.core.inputs import is_line
from app.core.live import tell
from app.core.timers import clear_timer, set_timer
from app.domain.accounts.model import looks_like_email, normalise_email
from app.domain.events import store as events
from app.domain.events.model import Event
from app.domain.manifests.rider_store import has_departed, read_pledge_manifests
from app.domain.notifications.service import queue_mail
from app.domain.pledges import store as pledges
from app.domain.pledges import transfer_store as transfers
from app.domain.pledges.model import SECURED, Pledge, TransferState
from app.domain.pledges.transfer_store import Transfer
from app.domain.trips import store as trips
from app.domain.trips.model import Trip, TripState
from app.flows.issue_manifests import issue_manifests_within
from app.flows.pledge_wish import MAX_NEEDS, MAX_PHONE
from app.flows.same_holder import check_holder

LIFETIME = timedelta(hours=48)
BEFORE_DEPARTURE = frozenset({TripState.OPEN, TripState.CONFIRMED, TripState.ALLOCATED})
NO_TRANSFER = "There is no such offer of seats, or this link does not open it."
TAKEN = "This e-mail address has a pledge on this trip already; one person pledges once."


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The pledge as its new owner has it, and the token that opens it from now on."""

    pledge: Pledge
    manage_token: str


async def offer_transfer(pool: Pool, pledge_id: UUID, *, name: str, email: str, secret: str, actor: str) -> Transfer:
    """Offers a whole pledge to somebody, by mail, for 48 hours at most. Nothing changes before they accept.

    Raises Invalid for a name or address that is none, Conflict `nothing_to_pass_on`, `bus_has_left`, `transfer_open`, `already_pledged`.
    """
    check_person(name, email)
    transfer_id = new_id()
    async with transaction(pool) as conn:
        await act_as(conn, actor, "seats offered to somebody")
        asked = await pledges.get_pledge(conn, pledge_id)
        event, trip, pledge = await lock_all(conn, pledge_id)
        check_holder(asked or pledge, pledge)
        await check_transferable(conn, trip, pledge)
        if await pledges.find_live_addresses(conn, trip_id=trip.id, addresses=[normalise_email(email)]):
            raise Conflict(TAKEN, code="already_pledged")
        expires_at = min(await busload_now(conn) + LIFETIME, event.arrive_by_at)
        try:
            async with conn.transaction():
                await transfers.add_transfer(
                    conn, transfer_id=transfer_id, pledge_id=pledge.id, from_name=pledge.name, from_email=pledge.email,
                    to_name=name.strip(), to_email=email.strip(), to_email_normalised=normalise_email(email), expires_at=expires_at,
                    token_hash=token_hash(derived_token(secret, "transfer", transfer_id)),
                )  # fmt: skip
        except asyncpg.UniqueViolationError:
            raise Conflict("These seats are offered to somebody already. Take that offer back first.", code="transfer_open") from None
        await set_timer(conn, "transfer_expiry", transfer_id, expires_at)
        offered = await transfers.get_transfer(conn, transfer_id)
        assert offered is not None
        await tell_both(conn, "offered", offered, pledge, trip, event)
        await tell(conn, "pledge", pledge.id)
        return offered


def check_person(name: str, email: str) -> None:
    """Names every field that is wrong with whom seats are offered to."""
    faults = []
    if not is_line(name):
        faults.append(FieldError(field="to_name", message="Tell us the name the driver will look for (at most 120 characters)."))
    if not looks_like_email(email):
        faults.append(FieldError(field="to_email", message="This is no complete e-mail address; it should look like name@example.org."))
    if faults:
        raise Invalid(faults[0].message, fields=tuple(faults))


async def lock_all(conn: Connection, pledge_id: UUID) -> tuple[Event, Trip, Pledge]:
    """A pledge with its event and trip, locked in this order: a manifest may follow."""
    seen = await pledges.get_pledge(conn, pledge_id)
    if seen is None:
        raise NotFound("There is no such pledge.", code="unknown_pledge")
    event = await events.lock_event(conn, seen.event_id)
    trip = await trips.lock_trip(conn, seen.trip_id)
    assert event is not None
    assert trip is not None
    return event, trip, await pledges.lock_pledge(conn, pledge_id)


async def check_transferable(conn: Connection, trip: Trip, pledge: Pledge) -> None:
    """Refuses seats that do not count (yet, or any more), and those of a bus that has left."""
    if pledge.state not in SECURED:
        raise Conflict(
            f"This pledge is {pledge.state.value.replace('_', ' ')}; only seats that count can be passed on.", code="nothing_to_pass_on"
        )
    if trip.state not in BEFORE_DEPARTURE or await has_departed(conn, pledge.id):
        raise Conflict("The bus has left, or one of this party is aboard; seats can be passed on until departure.", code="bus_has_left")


async def end_transfer(pool: Pool, transfer_id: UUID, *, go_to: TransferState, actor: str) -> bool:
    """The owner takes an offer back, the other person declines, or its time is over; both are told. False when it was settled before."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, f"transfer {go_to.value}")
        seen = await transfers.get_transfer(conn, transfer_id)
        if seen is None:
            return False
        event, trip, pledge = await lock_all(conn, seen.pledge_id)
        if go_to is TransferState.EXPIRED and await busload_now(conn) < seen.expires_at:
            return False
        if not await transfers.settle_transfer(conn, transfer_id, go_to=go_to):
            return False
        await clear_timer(conn, "transfer_expiry", transfer_id)
        await tell_both(conn, go_to.value, seen, pledge, trip, event)
        await tell(conn, "pledge", pledge.id)
        return True


async def cancel_transfer(pool: Pool, pledge_id: UUID, *, actor: str) -> bool:
    """Takes the open offer of a pledge back; False when there is none (any more)."""
    async with transaction(pool) as conn:
        offered = await transfers.find_open_transfer(conn, pledge_id)
    return offered is not None and await end_transfer(pool, offered.id, go_to=TransferState.CANCELLED, actor=actor)


async def accept_transfer(pool: Pool, transfer_id: UUID, *, phone: str, needs: str, secret: str) -> Accepted:
    """The new owner takes the seats: old links are dead, passes are new, drivers get the name. Money is not touched.

    Raises NotFound, Gone `transfer_over`, Conflict `nothing_to_pass_on`, `bus_has_left`, `already_pledged`.
    """
    if len(phone) > MAX_PHONE or not phone.isprintable() or len(needs) > MAX_NEEDS or "\0" in needs:
        raise Invalid.field("phone", f"A phone number has at most {MAX_PHONE} characters, needs at most {MAX_NEEDS}.")
    async with transaction(pool) as conn:
        await act_as(conn, "rider", "seats taken over")
        seen = await transfers.get_transfer(conn, transfer_id)
        if seen is None:
            raise NotFound(NO_TRANSFER, code="unknown_transfer")
        event, trip, pledge = await lock_all(conn, seen.pledge_id)
        link = token_hash(derived_token(secret, "payer_receipt", seen.id))
        if await busload_now(conn) > seen.expires_at or not await transfers.settle_transfer(
            conn, seen.id, go_to=TransferState.ACCEPTED, payer_token_hash=link
        ):
            raise Gone("This offer of seats is over: taken back, accepted, or expired. Ask for a new one.", code="transfer_over")
        await check_transferable(conn, trip, pledge)
        await clear_timer(conn, "transfer_expiry", seen.id)
        token = await hand_over(conn, seen, pledge, phone=phone.strip(), needs=needs.strip(), secret=secret)
        if await read_pledge_manifests(conn, pledge.id):
            await issue_manifests_within(conn, event.id, cause="seats passed on", renewed=pledge.id)
        theirs = await pledges.lock_pledge(conn, pledge.id)
        await record_change(conn, "pledge", pledge.id, theirs.state.value, {"transfer": str(seen.id)})
        await tell_both(conn, "accepted", seen, theirs, trip, event)
        await tell(conn, "pledge", pledge.id)
        return Accepted(pledge=theirs, manage_token=token)


async def hand_over(conn: Connection, seen: Transfer, pledge: Pledge, *, phone: str, needs: str, secret: str) -> str:
    """The pledge is another person's; returns the token of its only living link."""
    holder = (await transfers.read_holders(conn, [pledge.id]))[pledge.id] + 1
    token = derived_token(secret, "manage", link_subject(pledge.id, holder))
    try:
        async with conn.transaction():
            await transfers.change_hands(
                conn, pledge.id, name=seen.to_name, email=seen.to_email, email_normalised=seen.to_email_normalised, phone=phone,
                needs=needs, card_label=f"card of {seen.from_name}", manage_token_hash=token_hash(token),
            )  # fmt: skip
    except asyncpg.UniqueViolationError:
        raise Conflict(TAKEN, code="already_pledged") from None
    return token


async def tell_both(conn: Connection, what: str, transfer: Transfer, pledge: Pledge, trip: Trip, event: Event) -> None:
    """Both people hear of every step of a transfer, each in their own words: templates `transfer_<what>_from` and `_to`."""
    data = {
        "from_name": transfer.from_name, "to_name": transfer.to_name, "to_email": transfer.to_email, "code": pledge.public_code,
        "origin": trip.origin, "event": event.name, "people": pledge.people, "expires_at": transfer.expires_at.isoformat(),
        "zone": trip.zone, "pledge_id": str(pledge.id), "transfer_id": str(transfer.id), "is_payer": await is_payer(conn, pledge, transfer),
    }  # fmt: skip
    for side, recipient in (("from", transfer.from_email), ("to", transfer.to_email)):
        await queue_mail(
            conn, dedupe_key=f"transfer-{what}-{side}:{transfer.id}", recipient=recipient, template=f"transfer_{what}_{side}",
            locale=pledge.locale, subject_id=pledge.id, data=data,
        )  # fmt: skip


async def is_payer(conn: Connection, pledge: Pledge, transfer: Transfer) -> bool:
    """Whether it was the card of who gives the seats away that pays for them; the seats may have been passed on to them before."""
    payer = await transfers.find_payer(conn, pledge.id, pledge.payment_method_ref) if pledge.payment_method_ref else None
    return payer is not None and payer.transfer_id == transfer.id


async def expire_transfer(pool: Pool, transfer_id: UUID) -> bool:
    """Timer `transfer_expiry`: nobody accepted in time."""
    return await end_transfer(pool, transfer_id, go_to=TransferState.EXPIRED, actor="timer")


def is_open(transfer: Transfer, now: datetime) -> bool:
    """Whether seats can still be accepted."""
    return transfer.state is TransferState.OFFERED and now <= transfer.expires_at
