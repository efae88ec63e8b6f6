"""Accounts and roles."""

from datetime import timedelta
from enum import StrEnum
from uuid import UUID

import msgspec

from app.core.machine import Machine

SIGN_IN_LINK_LIFETIME = timedelta(minutes=10)
SESSION_LIFETIME = timedelta(days=30)
LONGEST_LOCAL_PART, LONGEST_DOMAIN = 64, 255
NOT_IN_ADDRESS = ' ,;<>"@'


class Role(StrEnum):
    """What an account may do beside pledging."""

    ORGANISER = "organiser"
    OPERATOR = "operator"
    PARTNER = "partner"


class ErasureState(StrEnum):
    """A wish to be forgotten: confirmed by its mailed link (or by hand), done once nothing needs the data, lapsed when never confirmed."""

    ASKED = "asked"
    CONFIRMED = "confirmed"
    DONE = "done"
    LAPSED = "lapsed"


ERASURE_MACHINE = Machine(
    "erasure",
    births=frozenset({ErasureState.ASKED, ErasureState.CONFIRMED}),
    arrows={
        ErasureState.ASKED: frozenset({ErasureState.CONFIRMED, ErasureState.LAPSED}),
        ErasureState.CONFIRMED: frozenset({ErasureState.DONE}),
    },
)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person known by a verified e-mail address."""

    id: UUID
    email: str
    name: str


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """The account behind a session and the roles it has."""

    account_id: UUID
    email: str
    name: str
    is_organiser: bool
    operator_ids: list[UUID]
    partner_ids: list[UUID]


class SignInLink(msgspec.Struct, frozen=True, kw_only=True):
    """A mail link that is being consumed."""

    email: str
    next_path: str
    usable: bool


def normalise_email(email: str) -> str:
    """One form for addresses that reach the same person: lower case, no +tag (a pledge per person and trip)."""
    local, _, domain = email.strip().lower().rpartition("@")
    return f"{local.split('+')[0]}@{domain}"


def looks_like_email(email: str) -> bool:
    """Whether an address can be mailed at all; only a received mail proves more (RFC 5321 lengths)."""
    address = email.strip()
    local, _, domain = address.rpartition("@")
    return (
        1 <= len(local) <= LONGEST_LOCAL_PART
        and len(domain) <= LONGEST_DOMAIN
        and "." in domain.strip(".")
        and address.isprintable()
        and not set(local) & set(NOT_IN_ADDRESS)
        and not set(domain) & set(NOT_IN_ADDRESS)
    )
