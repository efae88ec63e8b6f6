"""Reconciliation's arithmetic: Stripe's balance transactions against the ledger's, one to one and back. Pure.

Both sides name the same object: a balance transaction by its `source`, a ledger transaction by its `external_ref`. Within an object
(a refund has two movements when it came back, a dispute two when it is won) movements pair by exact amount first; what is left over
is a finding. Fees are posted by themselves (kinds that end in `_fee` or `_fee_back`) and compared as one sum per object.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec

from app.core.money import minor_digits
from app.domain.payments.gateway import BalanceTransaction

SETTLING = timedelta(minutes=15)
FEE_MAY_COME = timedelta(hours=24)
ADDED_BY_STRIPE = frozenset({"adjustment", "transfer", "transfer_refund", "refund_failure"})


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """What one ledger transaction moved at Stripe: `amount_minor` signed, in `currency` (upper case)."""

    transaction_id: UUID
    kind: str
    cause: UUID
    external_ref: str | None
    posted_at: datetime
    book: str
    currency: str
    amount_minor: int


class Kind(StrEnum):
    """What is wrong; docs/money.md says for each what to do."""

    AMOUNT_DIFFERS = "amount_differs"
    FEE_DIFFERS = "fee_differs"
    CURRENCY_DIFFERS = "currency_differs"
    MISSING_AT_STRIPE = "missing_at_stripe"
    DOUBLED_AT_STRIPE = "doubled_at_stripe"
    DOUBLED_IN_LEDGER = "doubled_in_ledger"
    NOT_IN_LEDGER = "not_in_ledger"
    STRAY = "stray"
    NO_STRIPE_ID = "no_stripe_id"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One difference, or one movement in flight: what it is, where, what to do. Amounts in minor units of `currency`."""

    kind: str
    what: str
    do: str
    stripe_type: str | None = None
    movement_ref: str | None = None
    source_ref: str | None = None
    transaction_id: UUID | None = None
    ledger_kind: str | None = None
    stripe_minor: int | None = None
    ledger_minor: int | None = None
    currency: str = ""
    payment_id: UUID | None = None
    reference: UUID | None = None
    pledge_code: str | None = None


class Whose(msgspec.Struct, frozen=True, kw_only=True):
    """The payment something belongs to, and whether our own row of it is still being settled."""

    payment_id: UUID
    reference: UUID
    in_flight: bool


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison has shown."""

    matched: int
    findings: list[Finding]
    in_flight: list[Finding]


DO = {
    Kind.AMOUNT_DIFFERS: "Open the object at Stripe and compare it with the payment. What Stripe moved is what happened: correct the "
    "ledger, or write to Stripe when its figure is wrong.",
    Kind.FEE_DIFFERS: "Look at the fee details of the balance transaction. The difference belongs on house:stripe_fees (a dispute's on "
    "house:disputes).",
    Kind.CURRENCY_DIFFERS: "Stripe settled this in another currency. Let the account hold a balance in the event's currency.",
    Kind.MISSING_AT_STRIPE: "Open the object at Stripe: did the money move? If not, the ledger must be corrected; if so, ask Stripe why "
    "it does not list it.",
    Kind.DOUBLED_AT_STRIPE: "Stripe moved this twice. Give the second one back at Stripe, then run this again.",
    Kind.DOUBLED_IN_LEDGER: "The ledger has it twice and Stripe once. Post a correcting entry for the second one.",
    Kind.NOT_IN_LEDGER: "The object is ours, and nothing was posted for it. Let the worker learn of it (its look-up or the poller); if it "
    "stays, read the payment's trail.",
    Kind.STRAY: "Nobody here knows this movement. Find it in Stripe's dashboard: made by hand there, by another program with our key, "
    "or by Stripe itself.",
    Kind.NO_STRIPE_ID: "The ledger moved money at Stripe and does not say by which object. Read the trail of its cause.",
}
WAIT = "Nothing: it settles by itself within minutes and is compared by the next run."


def compare(listed: Sequence[BalanceTransaction], posted: Sequence[Posted], owners: Mapping[str, Whose], *, began_at: datetime) -> Result:
    """Matches both sides. `owners` is keyed by Stripe ids and by our own ids as text; `began_at` is when Stripe was first asked."""
    at_stripe: dict[str, list[BalanceTransaction]] = defaultdict(list)
    ours: dict[str, list[Posted]] = defaultdict(list)
    for movement in listed:
        at_stripe[movement.source_ref or movement.ref].append(movement)
    for one in posted:
        ours[one.external_ref or f"none:{one.transaction_id}"].append(one)
    matching = _Matching(owners, began_at)
    for source in [*at_stripe, *(ref for ref in ours if ref not in at_stripe)]:
        matching.look_at(at_stripe.get(source, []), ours.get(source, []))
    return Result(matched=matching.matched, findings=matching.findings, in_flight=matching.in_flight)


def is_fee(kind: str) -> bool:
    """Whether a ledger kind posts a fee of the movement it goes with."""
    return kind.endswith(("_fee", "_fee_back"))


def worded(amount_minor: int, currency: str) -> str:
    """An amount in a sentence: `USD -32.01`."""
    digits = minor_digits(currency.upper())
    return f"{currency.upper()} {amount_minor / 10**digits:,.{digits}f}"


class _Matching:
    """One run over all objects."""

    def __init__(self, owners: Mapping[str, Whose], began_at: datetime) -> None:
        self.owners, self.began_at = owners, began_at
        self.matched = 0
        self.findings: list[Finding] = []
        self.in_flight: list[Finding] = []

    def look_at(self, listed: list[BalanceTransaction], posted: list[Posted]) -> None:
        """One object on both sides."""
        moves = [one for one in listed if one.amount_minor]
        mains = [one for one in posted if not is_fee(one.kind)]
        paired = len(listed) - len(moves)
        for movement in list(moves):
            same = next((one for one in mains if one.amount_minor == movement.amount_minor), None)
            if same is not None:
                self.check_currency(movement, same)
                moves.remove(movement)
                mains.remove(same)
                paired += 1
        for movement in list(moves):
            near = next((one for one in mains if one.amount_minor * movement.amount_minor > 0), None)
            if near is not None:
                self.add(Kind.AMOUNT_DIFFERS, movement, near)
                moves.remove(movement)
                mains.remove(near)
                paired += 1
        self.matched += paired
        for movement in moves:
            self.left_at_stripe(movement, is_known=paired > 0)
        for one in mains:
            self.left_in_ledger(one, is_known=paired > 0, has_fee=any(is_fee(other.kind) for other in posted))
        if paired and not moves and not mains:
            self.check_fees(listed, [one for one in posted if is_fee(one.kind)])

    def check_currency(self, movement: BalanceTransaction, one: Posted) -> None:
        """The same figure in another currency is another amount."""
        if movement.currency.upper() != one.currency:
            self.add(Kind.CURRENCY_DIFFERS, movement, one)

    def check_fees(self, listed: list[BalanceTransaction], fees: list[Posted]) -> None:
        """Stripe's fees of an object and what was posted for them."""
        asked, kept = sum(one.fee_minor for one in listed), -sum(one.amount_minor for one in fees)
        if asked != kept:
            movement = next((one for one in listed if one.fee_minor), listed[0])
            whose = self.whose(movement, fees)
            what = f"Stripe took a fee of {worded(asked, movement.currency)}, the ledger has {worded(kept, movement.currency)}"
            self.findings.append(
                self.finding(Kind.FEE_DIFFERS, what, whose, movement, fees[0] if fees else None, stripe_minor=-asked, ledger_minor=-kept)
            )

    def left_at_stripe(self, movement: BalanceTransaction, *, is_known: bool) -> None:
        """Stripe has it and the ledger does not."""
        whose = self.whose(movement, [])
        if is_known:
            self.add(Kind.DOUBLED_AT_STRIPE, movement, None)
        elif whose is not None and whose.in_flight:
            self.wait("settling", movement, None, "our side of it is being settled")
        elif self.is_new(movement) and (whose is not None or movement.source_reference) and movement.type in ADDED_BY_STRIPE:
            self.wait("settling", movement, None, "Stripe's news of it is on its way")
        elif whose is not None:
            self.add(Kind.NOT_IN_LEDGER, movement, None)
        else:
            self.add(Kind.STRAY, movement, None)

    def is_new(self, movement: BalanceTransaction) -> bool:
        """Whether the movement was made minutes ago, by Stripe's clock and ours."""
        return abs(self.began_at - movement.created_at) < SETTLING

    def left_in_ledger(self, one: Posted, *, is_known: bool, has_fee: bool) -> None:
        """The ledger has it and Stripe does not."""
        if one.posted_at >= self.began_at:
            self.wait("just_posted", None, one, "it was posted after Stripe was asked")
        elif one.kind == "charge" and not has_fee and self.began_at - one.posted_at < FEE_MAY_COME:
            self.wait("not_listed_yet", None, one, "Stripe has not said its fee and lists it later")
        elif one.external_ref is None:
            self.add(Kind.NO_STRIPE_ID, None, one)
        else:
            self.add(Kind.DOUBLED_IN_LEDGER if is_known else Kind.MISSING_AT_STRIPE, None, one)

    def whose(self, movement: BalanceTransaction | None, posted: Iterable[Posted]) -> Whose | None:
        """The payment behind either side."""
        keys: list[str | None] = []
        if movement is not None:
            keys += [movement.source_ref, movement.source_reference, movement.charge_ref]
        for one in posted:
            keys += [one.external_ref, str(one.cause)]
        return next((self.owners[key] for key in keys if key is not None and key in self.owners), None)

    def add(self, kind: Kind, movement: BalanceTransaction | None, one: Posted | None) -> None:
        """A finding in words."""
        there = f"Stripe's {movement.type} over {worded(movement.amount_minor, movement.currency)}" if movement else ""
        here = f"the ledger's {one.kind} over {worded(one.amount_minor, one.currency)}" if one else ""
        apart = (movement.amount_minor if movement else 0) - (one.amount_minor if one else 0)
        words = {
            Kind.AMOUNT_DIFFERS: f"{there} and {here} differ by {worded(apart, one.currency if one else '')}",
            Kind.CURRENCY_DIFFERS: f"{there} and {here} are in different currencies",
            Kind.MISSING_AT_STRIPE: f"{here} is not among Stripe's movements",
            Kind.DOUBLED_AT_STRIPE: f"{there} is there once more than in the ledger",
            Kind.DOUBLED_IN_LEDGER: f"{here} is there once more than at Stripe",
            Kind.NOT_IN_LEDGER: f"{there} is of a payment of ours and is not in the ledger",
            Kind.STRAY: f"{there} belongs to nothing of ours",
            Kind.NO_STRIPE_ID: f"{here} names no object of Stripe",
        }
        whose = self.whose(movement, [one] if one else [])
        self.findings.append(self.finding(kind, words[kind][:1].upper() + words[kind][1:], whose, movement, one))

    def wait(self, kind: str, movement: BalanceTransaction | None, one: Posted | None, why: str) -> None:
        """A movement that only one side has yet, and no fault."""
        what = f"Stripe's {movement.type} over {worded(movement.amount_minor, movement.currency)}" if movement else ""
        what = what or (f"The ledger's {one.kind} over {worded(one.amount_minor, one.currency)}" if one else "")
        whose = self.whose(movement, [one] if one else [])
        self.in_flight.append(msgspec.structs.replace(self.finding(None, f"{what}: {why}", whose, movement, one), kind=kind))

    def finding(
        self,
        kind: Kind | None,
        what: str,
        whose: Whose | None,
        movement: BalanceTransaction | None,
        one: Posted | None,
        *,
        stripe_minor: int | None = None,
        ledger_minor: int | None = None,
    ) -> Finding:
        """The finding with every id that leads to it."""
        return Finding(
            kind=kind.value if kind else "",
            what=what,
            do=DO[kind] if kind else WAIT,
            stripe_type=movement.type if movement else None,
            movement_ref=movement.ref if movement else None,
            source_ref=(movement.source_ref if movement else None) or (one.external_ref if one else None),
            transaction_id=one.transaction_id if one else None,
            ledger_kind=one.kind if one else None,
            stripe_minor=stripe_minor if stripe_minor is not None else (movement.amount_minor if movement else None),
            ledger_minor=ledger_minor if ledger_minor is not None else (one.amount_minor if one else None),
            currency=movement.currency.upper() if movement else one.currency if one else "",
            payment_id=whose.payment_id if whose else None,
            reference=whose.reference if whose else None,
        )
