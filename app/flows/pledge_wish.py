"""What a rider asks for when pledging: checked by itself, before any trip is locked for it."""

import hashlib
import re
from uuid import UUID

import msgspec

from app.core.errors import FieldError, Invalid
from app.core.ids import derived_token, new_id, token_hash
from app.domain.accounts.model import looks_like_email, normalise_email
from app.domain.events.model import Event
from app.domain.payments.model import Payment
from app.domain.pledges.model import MAX_PEOPLE, Pledge
from app.domain.trips.model import BOTH_LEGS

MAX_NAME, MAX_PHONE, MAX_NEEDS = 120, 40, 1000
LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")
ONE_LEG = frozenset((leg,) for leg in BOTH_LEGS)


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

    @property
    def people(self) -> int:
        """Who wants to travel: seats and wheelchair places."""
        return self.seats + self.wheelchairs


class PledgeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A checked wish on its way into a trip: the id and token its pledge will have, and the key that makes it one request."""

    pledge_id: UUID
    manage_token: str
    manage_token_hash: bytes
    key: str
    body_hash: bytes
    email_normalised: str
    wish: PledgeWish
    account_id: UUID | None
    partner_key_id: UUID | None


class PlacedPledge(msgspec.Struct, frozen=True, kw_only=True):
    """The pledge, its event, its charges (a confirmed trip makes one at once) and the token that opens it.

    `replayed` when the same request had placed it before; then its charges are to be read anew.
    """

    pledge: Pledge
    event: Event
    charges: list[Payment]
    manage_token: str
    replayed: bool


def request_pledge(
    wish: PledgeWish, *, key: str, body: bytes, secret: str, account_id: UUID | None, partner_key_id: UUID | None
) -> PledgeRequest:
    """A wish made ready; Invalid names every field that is wrong."""
    check_wish(wish)
    pledge_id = new_id()
    token = derived_token(secret, "manage", pledge_id)
    return PledgeRequest(
        pledge_id=pledge_id, manage_token=token, manage_token_hash=token_hash(token), key=key,
        body_hash=hashlib.sha256(body).digest(), email_normalised=normalise_email(wish.email), wish=wish, account_id=account_id,
        partner_key_id=partner_key_id,
    )  # fmt: skip


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
    if not faults and not 1 <= wish.people <= MAX_PEOPLE:
        faults.append(FieldError(field="seats", message=f"A pledge is for 1 to {MAX_PEOPLE} people; larger groups make several pledges."))
    if wish.legs != BOTH_LEGS and wish.legs not in ONE_LEG:
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
