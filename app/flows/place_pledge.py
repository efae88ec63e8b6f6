"""A rider pledges seats: held for 15 minutes until the card is saved, or counted at once with a card saved before."""

import re
from uuid import UUID

import asyncpg
import msgspec

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict, FieldError, Invalid, NotFound
from app.core.idempotency import claim_key
from app.core.ids import derived_token, new_id, public_code, token_hash
from app.core.live import tell
from app.core.timers import set_timer
from app.domain.accounts.model import looks_like_email, normalise_email
from app.domain.events import store as events
from app.domain.events.model import Event, StopState
from app.domain.notifications.service import queue_mail
from app.domain.pledges import store as pledges
from app.domain.pledges.model import HOLD, MAX_PEOPLE, MAX_PEOPLE_PER_CARD, NewPledge, Pledge, PledgeState, SavedCard
from app.domain.trips import store as trips
from app.domain.trips.model import BOTH_LEGS, Trip, check_room, check_selling, price_for
from app.domain.trips.store import TripLock
from app.flows.secure_pledge import over_card_cap, secure_within

MAX_NAME, MAX_PHONE, MAX_NEEDS = 120, 40, 1000
LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")


class PledgeWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a rider asks for. `legs` is outbound, return or both; `payment_method` is None or 'saved'."""

    stop_id: UUID
    name: str
    email: str
    phone: str
    needs: str
    locale: str
    seats: int
    wheelchairs: int
    legs: tuple[str, ...]
    payment_method: str | None


class PlacedPledge(msgspec.Struct, frozen=True, kw_only=True):
    """The pledge and the token that opens it; `replayed` when the same request had placed it before."""

    pledge: Pledge
    manage_token: str
    replayed: bool


def check_wish(wish: PledgeWish) -> None:
    """Names every field that is wrong, with its remedy."""
    if faults := [*party_faults(wish), *contact_faults(wish)]:
        code = {"seats": "party_size", "wheelchairs": "party_size", "email": "bad_email", "legs": "bad_legs"}.get(faults[0].field)
        raise Invalid(faults[0].message, fields=tuple(faults), code=code)


def party_faults(wish: PledgeWish) -> list[FieldError]:
    """What is wrong with who travels, and how it is paid."""
    faults = []
    if not 0 <= wish.seats <= MAX_PEOPLE:
        faults.append(FieldError(field="seats", message=f"Choose 0 to {MAX_PEOPLE} seats."))
    if not 0 <= wish.wheelchairs <= MAX_PEOPLE:
        faults.append(FieldError(field="wheelchairs", message=f"Choose 0 to {MAX_PEOPLE} wheelchair places."))
    if not faults and not 1 <= wish.seats + wish.wheelchairs <= MAX_PEOPLE:
        faults.append(FieldError(field="seats", message=f"A pledge is for 1 to {MAX_PEOPLE} people; larger groups make several pledges."))
    if tuple(wish.legs) not in {BOTH_LEGS, *((leg,) for leg in BOTH_LEGS)}:
        faults.append(FieldError(field="legs", message="Choose outbound, return, or both (in this order)."))
    if wish.payment_method not in {None, "saved"}:
        faults.append(FieldError(field="payment_method", message="Leave it out, or send `saved` to use the card of your account."))
    return faults


def contact_faults(wish: PledgeWish) -> list[FieldError]:
    """What is wrong with how the rider is called and reached."""
    faults = []
    if not looks_like_email(wish.email):
        faults.append(FieldError(field="email", message="This is no complete e-mail address; it should look like name@example.org."))
    name = wish.name.strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        faults.append(FieldError(field="name", message=f"Tell us the name the driver will look for (at most {MAX_NAME} characters)."))
    if len(wish.phone) > MAX_PHONE or not wish.phone.isprintable():
        faults.append(FieldError(field="phone", message=f"A phone number has at most {MAX_PHONE} characters; send one only."))
    if len(wish.needs) > MAX_NEEDS or "\0" in wish.needs:
        faults.append(FieldError(field="needs", message=f"Tell us your needs in at most {MAX_NEEDS} characters."))
    if not LOCALE.fullmatch(wish.locale):
        faults.append(FieldError(field="locale", message="Send the language as a tag such as `en` or `de-AT`, or leave it out."))
    return faults


async def place_pledge(
    pool: Pool, trip_id: UUID, wish: PledgeWish, *, key: str, body: bytes, secret: str, account_id: UUID | None,
    partner_key_id: UUID | None, lock_trip: TripLock = trips.lock_trip,
) -> PlacedPledge:  # fmt: skip
    """Places a pledge, or returns the one the same key placed. Refusals carry their own codes and leave nothing behind."""
    check_wish(wish)
    pledge_id = new_id()
    token = derived_token(secret, "manage", pledge_id)
    async with transaction(pool) as conn:
        await act_as(conn, f"rider:{account_id}" if account_id else "rider", "pledged")
        before = await claim_key(conn, scope=f"pledge:{trip_id}", key=key, body=body, effect_id=pledge_id)
        if before is not None:
            again = await pledges.get_pledge(conn, before)
            assert again is not None
            return PlacedPledge(pledge=again, manage_token=derived_token(secret, "manage", before), replayed=True)
        trip = await lock_trip(conn, trip_id)
        if trip is None:
            raise NotFound("There is no such trip. The event's page lists those it has.", code="unknown_trip")
        card = await find_card(conn, wish, account_id)
        new = await admit(
            conn, trip, wish, pledge_id=pledge_id, token=token, account_id=account_id, card=card, partner_key_id=partner_key_id
        )
        pledge = await add_held(conn, trip, new)
        if card is not None:
            pledge = await secure_within(conn, pledge, card, now=new.terms_shown_at)
        else:
            await set_timer(conn, "pledge_hold", pledge.id, new.hold_expires_at)
        await tell_rider(conn, pledge, trip)
        await tell(conn, "trip", trip.id)
        return PlacedPledge(pledge=pledge, manage_token=token, replayed=False)


async def find_card(conn: Connection, wish: PledgeWish, account_id: UUID | None) -> SavedCard | None:
    """The account's card when the wish is to use it."""
    if wish.payment_method is None:
        return None
    card = await pledges.find_saved_card(conn, account_id) if account_id else None
    if card is None:
        raise Invalid.field(
            "payment_method", "There is no saved card on your account; leave this out and save one on the next page.", code="no_saved_card"
        )
    return card


async def admit(
    conn: Connection, trip: Trip, wish: PledgeWish, *, pledge_id: UUID, token: str, account_id: UUID | None, card: SavedCard | None,
    partner_key_id: UUID | None,
) -> NewPledge:  # fmt: skip
    """Checks a wish against the locked trip; each refusal says what to do."""
    event = await events.get_event(conn, trip.event_id)
    assert event is not None
    now = await busload_now(conn)
    check_selling(trip, booking_closes_at=event.booking_closes_at, booking_closed=event.booking_closed_at is not None, now=now)
    await check_stop(conn, trip, wish.stop_id)
    check_room(trip, wish.seats + wish.wheelchairs)
    price_minor = price_for(trip, wish.legs, trip.secured)
    if card is not None and await over_card_cap(conn, trip.id, card.card_fingerprint, people=wish.seats + wish.wheelchairs):
        raise Conflict(
            f"One card carries at most {MAX_PEOPLE_PER_CARD} people of a trip. Leave payment_method out and save another card.",
            code="card_limit",
        )
    if price_minor is None:
        raise Invalid.field("legs", "This trip is sold there and back only; send both legs.", code="round_trip_only")
    return NewPledge(
        id=pledge_id, public_code=public_code(), trip_id=trip.id, event_id=trip.event_id, stop_id=wish.stop_id, account_id=account_id,
        name=wish.name.strip(), email=wish.email.strip(), email_normalised=normalise_email(wish.email), phone=wish.phone.strip(),
        needs=wish.needs.strip(), locale=wish.locale, seats=wish.seats, wheelchairs=wish.wheelchairs, legs=wish.legs,
        price_minor=price_minor, currency=event.currency, terms_shown_at=now, state=PledgeState.PENDING_CARD,
        manage_token_hash=token_hash(token), hold_expires_at=now + HOLD, partner_key_id=partner_key_id, card=card,
    )  # fmt: skip


async def check_stop(conn: Connection, trip: Trip, stop_id: UUID) -> None:
    """Refuses a stop that is not this trip's or not approved."""
    stop = await events.get_stop(conn, stop_id)
    if stop is None or not await trips.sells_from(conn, trip_id=trip.id, stop_id=stop_id):
        raise Invalid.field("stop_id", "This trip has no such stop; choose one of those on its page.", code="unknown_stop")
    if stop.state is not StopState.APPROVED:
        raise Conflict(
            f"The stop {stop.name} is {stop.state.value}, not approved; choose another, or wait until it is approved.",
            code="stop_not_approved",
        )


async def add_held(conn: Connection, trip: Trip, new: NewPledge) -> Pledge:
    """Stores the pledge and holds its seats."""
    try:
        async with conn.transaction():
            pledge = await pledges.add_pledge(conn, new)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "pledges_one_live":
            raise
        raise Conflict(
            "This e-mail address has a pledge on this trip already. Change or withdraw that one through the link we mailed.",
            code="already_pledged",
        ) from None
    held = await trips.move_people(conn, trip.id, held=pledge.people)
    assert held is not None, "check_room ran under the trip's lock"
    return pledge


async def tell_rider(conn: Connection, pledge: Pledge, trip: Trip) -> None:
    """The link that opens the pledge goes to its owner."""
    await queue_mail(
        conn, dedupe_key=f"pledge-placed:{pledge.id}", recipient=pledge.email, template="pledge_placed", locale=pledge.locale,
        subject_id=pledge.id,
        data={
            "pledge_id": str(pledge.id), "name": pledge.name, "code": pledge.public_code, "origin": trip.origin, "people": pledge.people,
            "amount_minor": pledge.amount_minor, "currency": pledge.currency, "deadline_at": trip.deadline_at.isoformat(),
            "zone": trip.zone, "needs_card": pledge.state is PledgeState.PENDING_CARD,
            "event": await name_of_event(conn, trip),
        },
    )  # fmt: skip


async def name_of_event(conn: Connection, trip: Trip) -> str:
    """What people call where the trip goes."""
    event: Event | None = await events.get_event(conn, trip.event_id)
    return event.name if event else ""
