# ruff: noqa: ARG002  the protocol names what this gateway has no use for
"""A PaymentGateway in this process: the bank behind it, faults the seed decides, and a place to rest before and after each call."""

from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import TypeVar

from msgspec.structs import replace

from app.domain.payments.gateway import (
    BalanceTransaction,
    ConnectAccount,
    DisputeState,
    GatewayError,
    GatewayRateLimited,
    GatewayRefused,
    GatewayUnreachable,
    IntentState,
    NotFound,
    RefundState,
    ReversalState,
    SetupOutcome,
    SetupSession,
    SignatureInvalid,
    StripeEvent,
    TransferState,
)
from tests.simulation.bank import Bank
from tests.simulation.turns import Turns

T = TypeVar("T")
MOVING = frozenset({"create_refund", "create_transfer", "reverse_transfer", "confirm_payment_intent"})  # of these twice as many go wrong
FAULTS = ("error_before", "error_after", "lost_reply", "cut_before", "rate_limited")


class SimulatedGateway:
    """See PaymentGateway. `fault_share` of the calls go wrong, in one of the FAULTS; `met` counts them."""

    def __init__(self, bank: Bank, turns: Turns, dice: Random, watch: Callable[[str], None]) -> None:
        self.bank, self.turns, self.dice, self.watch = bank, turns, dice, watch
        self.fault_share = 0.0
        self.met: dict[str, int] = {}
        self._kept: dict[str, object] = {}

    async def _call(self, name: str, effect: Callable[[], T]) -> T:
        """One request: perhaps it never arrives, perhaps its answer does not."""
        self.watch(name)
        await self.turns.at_the_edge()
        fault = self.dice.choice(FAULTS) if self.dice.random() < self.fault_share * (1 + (name in MOVING)) else ""
        if fault:
            self.met[fault] = self.met.get(fault, 0) + 1
        if fault == "rate_limited":
            raise GatewayRateLimited("too many", retry_after_s=1.0)
        if fault in {"error_before", "cut_before"}:
            raise GatewayUnreachable(fault, answered=fault == "error_before")
        answer: T | None = None
        refused: GatewayError | None = None
        try:
            answer = effect()
        except GatewayError as error:
            refused = error
        await self.turns.at_the_edge()
        if fault:
            raise GatewayUnreachable(fault, answered=fault == "error_after")
        if refused is not None:
            raise refused
        return answer  # type: ignore[return-value]

    def _once(self, key: str, make: Callable[[], T]) -> Callable[[], T]:
        """A creation under an idempotency key: the same object again."""

        def made() -> T:
            if key not in self._kept:
                self._kept[key] = make()
            return self._kept[key]  # type: ignore[return-value]

        return made

    async def create_setup_session(
        self, *, reference: str, email: str, success_url: str, cancel_url: str, expires_at: datetime, idempotency_key: str,
        customer_ref: str | None = None,
    ) -> SetupSession:  # fmt: skip
        def make() -> SetupSession:
            customer = customer_ref or self.bank.new_ref("cus")
            ref = self.bank.new_ref("sess")
            self.bank.sessions[ref] = SetupOutcome(
                status="open", setup_status="requires_payment_method", customer_ref=customer, payment_method_ref=None, fingerprint=None,
                brand=None, last4=None, exp_month=None, exp_year=None, reference=reference,
            )  # fmt: skip
            return SetupSession(id=ref, url=f"https://cards.example/{ref}", customer_ref=customer, setup_intent_ref=None)

        return await self._call("create_setup_session", self._once(f"{idempotency_key}:{expires_at}", make))

    async def fetch_setup_session(self, session_ref: str) -> SetupOutcome:
        return await self._call("fetch_setup_session", lambda: self._found(self.bank.sessions, session_ref))

    async def expire_session(self, session_ref: str) -> SetupOutcome:
        def close() -> SetupOutcome:
            page = self._found(self.bank.sessions, session_ref)
            if page.status == "open":
                page = self.bank.sessions[session_ref] = replace(page, status="expired")
            return page

        return await self._call("expire_session", close)

    async def create_payment_intent(
        self, *, payment_id: str, customer_ref: str, payment_method_ref: str, amount_minor: int, currency: str, description: str,
        metadata: dict[str, str], idempotency_key: str,
    ) -> IntentState:  # fmt: skip
        def make() -> IntentState:
            ref = self.bank.new_ref("pi")
            self.bank.customer_of[ref] = customer_ref
            self.bank.intents[ref] = IntentState(
                ref=ref, status="requires_confirmation", amount_minor=amount_minor, amount_received_minor=0, currency=currency,
                charge_ref=None, fee_minor=None, decline_code=None, error_code=None, action_url=None, payment_id=payment_id,
            )  # fmt: skip
            return self.bank.intents[ref]

        return await self._call("create_payment_intent", self._once(idempotency_key, make))

    async def confirm_payment_intent(
        self, intent_ref: str, *, payment_method_ref: str, off_session: bool, return_url: str | None, idempotency_key: str
    ) -> IntentState:
        key = f"confirm:{idempotency_key}"

        def confirm() -> IntentState:
            before = self._kept.get(key)
            if isinstance(before, GatewayRefused):
                raise before
            if isinstance(before, str):
                return self.bank.intents[before]
            self._kept[key] = intent_ref
            try:
                return self._charge(intent_ref, payment_method_ref, off_session=off_session)
            except GatewayRefused as refused:
                self._kept[key] = refused
                raise

        return await self._call("confirm_payment_intent", confirm)

    def _charge(self, intent_ref: str, method_ref: str, *, off_session: bool) -> IntentState:
        intent = self._found(self.bank.intents, intent_ref)
        if intent.status in {"succeeded", "canceled"}:
            raise GatewayRefused("not in this state", code="payment_intent_unexpected_state", intent=intent)
        card = self.bank.cards.get(method_ref)
        if card is None or not card.is_known:
            raise GatewayRefused("no such card", code="resource_missing", intent=self.bank.fail(intent, "resource_missing", None))
        if card.habit == "asks" and off_session:
            failed = self.bank.fail(intent, "authentication_required", "authentication_required")
            raise GatewayRefused("asks", code="authentication_required", decline_code="authentication_required", intent=failed)
        if card.habit == "asks":
            waiting = replace(intent, status="requires_action", action_url=f"https://bank.example/{intent_ref}", error_code=None)
            self.bank.intents[intent_ref] = waiting
            return waiting
        if card.habit == "poor" or (card.habit == "shaky" and card.left > 0):
            card.left -= 1
            failed = self.bank.fail(intent, "card_declined", "insufficient_funds")
            raise GatewayRefused("declined", code="card_declined", decline_code="insufficient_funds", intent=failed)
        return self.bank.take(intent)

    async def fetch_payment_intent(self, intent_ref: str) -> IntentState:
        return await self._call("fetch_payment_intent", lambda: self._found(self.bank.intents, intent_ref))

    async def find_payment_intents(self, *, customer_ref: str, payment_id: str) -> list[IntentState]:
        def found() -> list[IntentState]:
            mine = [one for ref, one in self.bank.intents.items() if self.bank.customer_of[ref] == customer_ref]
            return [one for one in reversed(mine) if one.payment_id == payment_id]

        return await self._call("find_payment_intents", found)

    async def cancel_payment_intent(self, intent_ref: str) -> IntentState:
        def cancel() -> IntentState:
            intent = self._found(self.bank.intents, intent_ref)
            if intent.status == "succeeded":
                raise GatewayRefused("too late", code="payment_intent_unexpected_state", intent=intent)
            self.bank.intents[intent_ref] = replace(intent, status="canceled", action_url=None)
            return self.bank.intents[intent_ref]

        return await self._call("cancel_payment_intent", cancel)

    async def create_refund(
        self, *, refund_id: str, intent_ref: str, amount_minor: int, metadata: dict[str, str], idempotency_key: str
    ) -> RefundState:
        def make() -> RefundState:
            intent = self._found(self.bank.intents, intent_ref)
            dispute = self.bank.dispute_on(intent_ref)
            if dispute is not None and dispute.status != "won":
                raise GatewayRefused("charged back", code="charge_disputed")
            if amount_minor > intent.amount_received_minor - self.bank.refunded_minor(intent_ref):
                raise GatewayRefused("more than is left", code="amount_too_large")
            return self.bank.refund(intent_ref, amount_minor, refund_id)

        return await self._call("create_refund", self._once(idempotency_key, make))

    async def fetch_refund(self, refund_ref: str) -> RefundState:
        return await self._call("fetch_refund", lambda: self._found(self.bank.refunds, refund_ref))

    async def find_refunds(self, *, intent_ref: str, refund_id: str) -> list[RefundState]:
        def found() -> list[RefundState]:
            mine = [one for ref, one in self.bank.refunds.items() if self.bank.intent_of_refund[ref] == intent_ref]
            return [one for one in reversed(mine) if one.refund_id == refund_id]

        return await self._call("find_refunds", found)

    async def detach_payment_method(self, payment_method_ref: str) -> None:
        def forget() -> None:
            self._found(self.bank.cards, payment_method_ref).is_known = False

        await self._call("detach_payment_method", forget)

    async def delete_customer(self, customer_ref: str) -> None:
        await self._call("delete_customer", lambda: None)

    async def fetch_event(self, event_ref: str) -> StripeEvent:
        return await self._call("fetch_event", lambda: self._found({one.id: one for one in self.bank.events}, event_ref))

    async def list_events(self, *, after_ref: str | None, limit: int) -> list[StripeEvent]:
        refs = [one.id for one in self.bank.events]
        start = 0 if after_ref is None else refs.index(after_ref) + 1
        return await self._call("list_events", lambda: self.bank.events[start : start + limit])

    async def verify_webhook(self, payload: bytes, signature: str, secret: str, now: datetime, tolerance_s: int = 300) -> StripeEvent:
        raise SignatureInvalid("the simulation has no webhook route")

    async def list_balance_transactions(
        self, *, after_ref: str | None, limit: int, since: datetime | None = None
    ) -> list[BalanceTransaction]:
        refs = [one.ref for one in self.bank.movements]
        start = 0 if after_ref is None else refs.index(after_ref) + 1
        return await self._call("list_balance_transactions", lambda: self.bank.movements[start : start + limit])

    async def create_connect_account(self, *, operator_id: str, email: str, country: str, idempotency_key: str) -> ConnectAccount:
        def make() -> ConnectAccount:
            ref = self.bank.new_ref("acct")
            self.bank.accounts[ref] = ConnectAccount(ref=ref, transfers_enabled=False, payouts_enabled=False, operator_id=operator_id)
            return self.bank.accounts[ref]

        return await self._call("create_connect_account", self._once(idempotency_key, make))

    async def fetch_connect_account(self, account_ref: str) -> ConnectAccount:
        return await self._call("fetch_connect_account", lambda: self._found(self.bank.accounts, account_ref))

    async def create_onboarding_link(self, account_ref: str, *, return_url: str, refresh_url: str) -> str:
        return await self._call("create_onboarding_link", lambda: f"https://accounts.example/{account_ref}")

    async def create_transfer(
        self, *, payout_id: str, account_ref: str, amount_minor: int, currency: str, metadata: dict[str, str], idempotency_key: str
    ) -> TransferState:
        def make() -> TransferState:
            if self.bank.balance_minor(currency.lower()) < amount_minor:
                raise GatewayRefused("insufficient", code="balance_insufficient")
            made = TransferState(
                ref=self.bank.new_ref("tr"), amount_minor=amount_minor, reversed_minor=0, currency=currency.lower(),
                account_ref=account_ref,
                payout_id=payout_id,
            )  # fmt: skip
            self.bank.transfers[made.ref] = made
            self.bank.move("transfer", -amount_minor, currency.lower(), made.ref, ours=payout_id)
            return made

        return await self._call("create_transfer", self._once(idempotency_key, make))

    async def find_transfers(self, *, account_ref: str, payout_id: str) -> list[TransferState]:
        found = [one for one in self.bank.transfers.values() if (one.account_ref, one.payout_id) == (account_ref, payout_id)]
        return await self._call("find_transfers", lambda: found[::-1])

    async def reverse_transfer(
        self, *, reversal_id: str, transfer_ref: str, amount_minor: int, metadata: dict[str, str], idempotency_key: str
    ) -> ReversalState:
        def make() -> ReversalState:
            sent = self._found(self.bank.transfers, transfer_ref)
            made = ReversalState(
                ref=self.bank.new_ref("trr"), amount_minor=amount_minor, transfer_ref=transfer_ref, reversal_id=reversal_id
            )
            self.bank.reversals[made.ref] = made
            self.bank.transfers[transfer_ref] = replace(sent, reversed_minor=sent.reversed_minor + amount_minor)
            self.bank.move("transfer_refund", amount_minor, sent.currency, made.ref, ours=reversal_id)
            return made

        return await self._call("reverse_transfer", self._once(idempotency_key, make))

    async def find_reversals(self, *, transfer_ref: str, reversal_id: str) -> list[ReversalState]:
        found = [one for one in self.bank.reversals.values() if (one.transfer_ref, one.reversal_id) == (transfer_ref, reversal_id)]
        return await self._call("find_reversals", lambda: found[::-1])

    async def fetch_dispute(self, dispute_ref: str) -> DisputeState:
        return await self._call("fetch_dispute", lambda: self._found(self.bank.disputes, dispute_ref))

    async def submit_dispute_evidence(self, dispute_ref: str, *, evidence: dict[str, str], idempotency_key: str) -> DisputeState:
        def submit() -> DisputeState:
            found = self._found(self.bank.disputes, dispute_ref)
            if found.status in {"won", "lost"}:
                raise GatewayRefused("decided", code="dispute_closed")
            self.bank.disputes[dispute_ref] = replace(found, status="under_review", submissions=found.submissions + 1)
            self.bank.announce("charge.dispute.updated", dispute_ref)
            return self.bank.disputes[dispute_ref]

        return await self._call("submit_dispute_evidence", submit)

    def _found(self, of: dict[str, T], ref: str) -> T:
        if ref not in of:
            raise NotFound(ref)
        return of[ref]
