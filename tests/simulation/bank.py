"""The card world in memory: cards, intents, charges, refunds, disputes, transfers, and the balance they move. No network."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from app.domain.payments.gateway import (
    BalanceTransaction,
    ConnectAccount,
    DisputeState,
    IntentState,
    RefundState,
    ReversalState,
    SetupOutcome,
    StripeEvent,
    TransferState,
)

EVIDENCE_WITHIN = timedelta(days=9)
DISPUTE_FEE_MINOR = 1500
FEE_BP, FEE_FIXED_MINOR = 290, 30
TYPES = {"sess": "checkout.session", "pi": "payment_intent", "re": "refund", "du": "dispute", "acct": "account"}


class Card(msgspec.Struct, kw_only=True):
    """A saved card. `habit`: good, poor (always declined), shaky (declined so many `left` times), asks (its bank wants the rider)."""

    ref: str
    habit: str
    fingerprint: str
    left: int = 2
    is_known: bool = True


class Bank:
    """What the provider holds, by ref. Every movement of our balance is in `movements`, every event in `events`, oldest first."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._number = 0
        self.sessions: dict[str, SetupOutcome] = {}
        self.cards: dict[str, Card] = {}
        self.intents: dict[str, IntentState] = {}
        self.method_of: dict[str, str] = {}
        self.customer_of: dict[str, str] = {}
        self.refunds: dict[str, RefundState] = {}
        self.intent_of_refund: dict[str, str] = {}
        self.disputes: dict[str, DisputeState] = {}
        self.accounts: dict[str, ConnectAccount] = {}
        self.transfers: dict[str, TransferState] = {}
        self.reversals: dict[str, ReversalState] = {}
        self.movements: list[BalanceTransaction] = []
        self.events: list[StripeEvent] = []

    def new_ref(self, kind: str) -> str:
        """The next object's id; they sort by birth."""
        self._number += 1
        return f"{kind}_{self._number:06}"

    def announce(self, type_: str, ref: str, reference: str | None = None) -> None:
        """An event, told sooner or later."""
        at = self._now() + timedelta(microseconds=len(self.events))
        kind = TYPES[ref.split("_", 1)[0]]
        self.events.append(
            StripeEvent(id=self.new_ref("evt"), type=type_, created_at=at, object_ref=ref, object_type=kind, reference=reference)
        )

    def move(
        self, type_: str, amount_minor: int, currency: str, source: str, *, ours: str | None, charge: str | None = None, fee_minor: int = 0
    ) -> BalanceTransaction:
        """One movement of our balance."""
        moved = BalanceTransaction(
            ref=self.new_ref("txn"), type=type_, amount_minor=amount_minor, fee_minor=fee_minor, net_minor=amount_minor - fee_minor,
            currency=currency, source_ref=source, source_reference=ours, charge_ref=charge, created_at=self._now(),
        )  # fmt: skip
        self.movements.append(moved)
        return moved

    def balance_minor(self, currency: str) -> int:
        """What we hold there."""
        return sum(one.net_minor for one in self.movements if one.currency == currency)

    def top_up(self, amount_minor: int, currency: str) -> None:
        """Money of the house comes to our balance."""
        self.move("topup", amount_minor, currency, self.new_ref("tu"), ours=None)

    # what riders and their banks do

    def save_card(self, session_ref: str, habit: str, fingerprint: str) -> bool:
        """A rider types a card on an open page; False when the page has closed."""
        page = self.sessions[session_ref]
        if page.status != "open":
            return False
        card = Card(ref=self.new_ref("pm"), habit=habit, fingerprint=fingerprint)
        self.cards[card.ref] = card
        self.sessions[session_ref] = replace(
            page, status="complete", setup_status="succeeded", payment_method_ref=card.ref, fingerprint=fingerprint, brand="visa",
            last4="4242", exp_month=12, exp_year=2040,
        )  # fmt: skip
        self.announce("checkout.session.completed", session_ref, page.reference)
        return True

    def decide(self, intent_ref: str, *, approved: bool) -> None:
        """The bank's customer says yes or no to a charge that waits for it."""
        intent = self.intents[intent_ref]
        if intent.status != "requires_action":
            return
        if approved:
            self.take(intent)
            return
        self.fail(intent, "payment_intent_authentication_failure", None)

    def take(self, intent: IntentState) -> IntentState:
        """The money moves."""
        charge = self.new_ref("ch")
        fee = intent.amount_minor * FEE_BP // 10_000 + FEE_FIXED_MINOR
        paid = replace(
            intent, status="succeeded", amount_received_minor=intent.amount_minor, charge_ref=charge, fee_minor=fee, error_code=None,
            decline_code=None, action_url=None,
        )  # fmt: skip
        self.intents[intent.ref] = paid
        self.move("charge", intent.amount_minor, intent.currency, charge, ours=intent.payment_id, charge=charge, fee_minor=fee)
        self.announce("payment_intent.succeeded", intent.ref, intent.payment_id)
        return paid

    def fail(self, intent: IntentState, code: str, decline_code: str | None) -> IntentState:
        """The money does not move."""
        failed = replace(intent, status="requires_payment_method", error_code=code, decline_code=decline_code, action_url=None)
        self.intents[intent.ref] = failed
        self.announce("payment_intent.payment_failed", intent.ref, intent.payment_id)
        return failed

    def refunded_minor(self, intent_ref: str) -> int:
        """What of a charge has gone back and stayed there."""
        mine = [ref for ref, of in self.intent_of_refund.items() if of == intent_ref]
        return sum(self.refunds[ref].amount_minor for ref in mine if self.refunds[ref].status == "succeeded")

    def refund(self, intent_ref: str, amount_minor: int, refund_id: str) -> RefundState:
        """Money goes back."""
        intent = self.intents[intent_ref]
        made = RefundState(ref=self.new_ref("re"), status="succeeded", amount_minor=amount_minor, refund_id=refund_id, failure_reason=None)
        self.refunds[made.ref] = made
        self.intent_of_refund[made.ref] = intent_ref
        self.move("refund", -amount_minor, intent.currency, made.ref, ours=refund_id, charge=intent.charge_ref)
        self.announce("refund.created", made.ref, refund_id)
        return made

    def send_refund_back(self, refund_ref: str) -> None:
        """Days later the rider's bank does not take it."""
        made = self.refunds[refund_ref]
        intent = self.intents[self.intent_of_refund[refund_ref]]
        self.refunds[refund_ref] = replace(made, status="failed", failure_reason="lost_or_stolen_card")
        self.move("refund_failure", made.amount_minor, intent.currency, refund_ref, ours=made.refund_id, charge=intent.charge_ref)
        self.announce("refund.failed", refund_ref, made.refund_id)

    def dispute_on(self, intent_ref: str) -> DisputeState | None:
        """The dispute of a charge, if there is one."""
        return next((one for one in self.disputes.values() if one.intent_ref == intent_ref), None)

    def open_dispute(self, intent_ref: str) -> None:
        """A cardholder goes to the bank: what is left of the charge is withdrawn, with a fee."""
        intent = self.intents[intent_ref]
        amount = intent.amount_minor - self.refunded_minor(intent_ref)
        if intent.status != "succeeded" or amount <= 0 or self.dispute_on(intent_ref):
            return
        assert intent.charge_ref is not None
        ref = self.new_ref("du")
        moved = self.move("adjustment", -amount, intent.currency, ref, ours=None, charge=intent.charge_ref, fee_minor=DISPUTE_FEE_MINOR)
        self.disputes[ref] = DisputeState(
            ref=ref, status="open", amount_minor=amount, currency=intent.currency, reason="fraudulent", intent_ref=intent_ref,
            charge_ref=intent.charge_ref, evidence_due_at=self._now() + EVIDENCE_WITHIN, submissions=0, movements=[moved],
        )  # fmt: skip
        self.announce("charge.dispute.created", ref)

    def close_dispute(self, ref: str, *, won: bool) -> None:
        """The bank decides; won, the amount comes back and the fee does not."""
        found = self.disputes[ref]
        movements = list(found.movements)
        if won:
            movements.append(self.move("adjustment", found.amount_minor, found.currency, ref, ours=None, charge=found.charge_ref))
        self.disputes[ref] = replace(found, status="won" if won else "lost", movements=movements)
        self.announce("charge.dispute.closed", ref)

    def open_account(self, account_ref: str) -> None:
        """An operator has told the provider everything."""
        self.accounts[account_ref] = replace(self.accounts[account_ref], transfers_enabled=True, payouts_enabled=True)
        self.announce("account.updated", account_ref, self.accounts[account_ref].operator_id)

    def summary(self) -> dict[str, Any]:
        """How much of everything, to compare two runs of a seed."""
        return {
            "charges": sorted(one.amount_minor for one in self.intents.values() if one.status == "succeeded"),
            "refunds": sorted((one.amount_minor, one.status) for one in self.refunds.values()),
            "disputes": sorted((one.amount_minor, one.status) for one in self.disputes.values()),
            "transfers": sorted(one.amount_minor for one in self.transfers.values()),
            "balance": {currency: self.balance_minor(currency) for currency in sorted({one.currency for one in self.movements})},
        }
