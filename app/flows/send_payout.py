"""Money to an operator or partner, exactly once: it waits for account and cover, is claimed, sent, looked up when nobody answers."""

from uuid import UUID

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.live import tell
from app.core.log import logger
from app.core.timers import clear_timer, set_timer
from app.domain.events import store as events
from app.domain.events.model import Event
from app.domain.notifications.model import money
from app.domain.notifications.service import queue_mail
from app.domain.payments.gateway import GatewayError, GatewayRefused, PaymentGateway, TransferState
from app.domain.payments.payouts import service, store
from app.domain.payments.payouts.model import (
    LOOK_UP_AFTER,
    REMIND_EVERY_DAYS,
    WAITING,
    Payee,
    PayeeState,
    Payout,
    PayoutState,
    WaitsFor,
)
from app.flows.onboard_payee import refresh_payee
from app.flows.payee_contact import find_contact
from app.flows.tell_organisers import tell_organisers_within

log = logger(__name__)
SETTLED = frozenset({PayoutState.SUCCEEDED, PayoutState.VOID})
DAY_S = 86_400
NO_FUNDS = "balance_insufficient"


async def send_payout(pool: Pool, payout_id: UUID, *, gateway: PaymentGateway) -> None:
    """Timer `payout`: sends what is due and may go out, looks up what nobody answered for. Any number of workers may be asked."""
    async with transaction(pool) as conn:
        seen = await store.get_payout(conn, payout_id)
        payee = await store.get_payee(conn, seen.payee_id) if seen is not None else None
    if seen is None or seen.state in SETTLED:
        return
    if payee is not None and payee.state is not PayeeState.READY and seen.state in WAITING:
        payee = await _read_back(pool, payee, gateway=gateway)
    async with transaction(pool) as conn:
        await act_as(conn, "worker", "payout")
        claimed = await _claim_within(conn, seen)
    if claimed is None:
        return
    payout, key = claimed
    state, transfer_ref, error_code = await ask(payout, key, gateway=gateway)
    await settle_payout(pool, payout, state, transfer_ref, error_code)
    if payee is not None and error_code and error_code != NO_FUNDS:
        await _read_back(pool, payee, gateway=gateway)


async def _read_back(pool: Pool, payee: Payee, *, gateway: PaymentGateway) -> Payee | None:
    try:
        return await refresh_payee(pool, payee.id, gateway=gateway)
    except GatewayError as error:
        log.warning("payee.unread", payee_id=str(payee.id), error=type(error).__name__)
        return payee


async def _claim_within(conn: Connection, seen: Payout) -> tuple[Payout, str] | None:
    """Takes the payout for an attempt; None when it waits (for its day, an account, cover), is settled, or is in another's hands."""
    event = await events.lock_event(conn, UUID(seen.book.removeprefix("event:")))
    assert event is not None, "a payout's book is an event's"
    [payout] = [one for one in await store.lock_payouts(conn, [seen.reference]) if one.id == seen.id]
    now = await busload_now(conn)
    if payout.state in SETTLED:
        await clear_timer(conn, service.PAYOUT_TIMER, payout.id)
        return None
    if payout.state in WAITING and now < payout.not_before_at:
        await set_timer(conn, service.PAYOUT_TIMER, payout.id, payout.not_before_at)
        return None
    if payout.submitted_at is not None and payout.state not in WAITING and now < payout.submitted_at + LOOK_UP_AFTER:
        await set_timer(conn, service.PAYOUT_TIMER, payout.id, payout.submitted_at + LOOK_UP_AFTER)
        return None
    if payout.state is PayoutState.SUBMITTING:
        await service.settle(conn, payout, state=PayoutState.UNKNOWN, transfer_ref=None, error_code="no_answer")
    if payout.state not in WAITING:
        assert payout.amount_minor is not None
        assert payout.account_ref is not None
        return await service.claim(conn, payout, amount_minor=payout.amount_minor, account_ref=payout.account_ref)
    return await _first_claim(conn, event, payout)


async def _first_claim(conn: Connection, event: Event, payout: Payout) -> tuple[Payout, str] | None:
    """What has not been sent: somebody must be ready to take it, the event's money must carry it, debts come off it first."""
    payee = await store.get_payee(conn, payout.payee_id)
    if payee is None or payee.state is not PayeeState.READY:
        await service.wait_for(conn, payout, WaitsFor.ACCOUNT)
        await _remind(conn, payout)
        return None
    if await store.left_to_pay_out(conn, payout.book, payout.currency) < payout.unpaid_minor:
        await service.wait_for(conn, payout, WaitsFor.COVER)
        owed = money(payout.unpaid_minor, payout.currency)
        what = f"A payout of {owed} waits: the event's money does not carry it. Cover it on the payouts page."
        await tell_organisers_within(conn, event, what=what, once=f"payout-{payout.id}")
        return None
    amount_minor = payout.amount_minor if payout.amount_minor is not None else await service.net_debts(conn, payout)
    if amount_minor == 0:
        await store.settle_without_transfer(conn, payout.id)
        await clear_timer(conn, service.PAYOUT_TIMER, payout.id)
        return None
    return await service.claim(conn, payout, amount_minor=amount_minor, account_ref=payee.account_ref)


async def _remind(conn: Connection, payout: Payout) -> None:
    """A mail every few days while money waits for an account; one for all that waits."""
    contact = await find_contact(conn, payout.payee_id)
    if contact is None:
        return
    period = int((await busload_now(conn)).timestamp()) // DAY_S // REMIND_EVERY_DAYS
    await queue_mail(
        conn, dedupe_key=f"payout-account:{payout.payee_id}:{period}", recipient=contact.email, template="payout_account_needed",
        locale="en", subject_id=payout.id,
        data={"name": contact.name, "path": contact.path, "amount_minor": payout.unpaid_minor, "currency": payout.currency},
    )  # fmt: skip


async def ask(payout: Payout, key: str, *, gateway: PaymentGateway) -> tuple[PayoutState, str | None, str]:
    """The transfer at Stripe: the one an earlier attempt left there, else a new one. Never raises a gateway's error."""
    assert payout.account_ref is not None
    assert payout.amount_minor is not None
    try:
        found = await gateway.find_transfers(account_ref=payout.account_ref, payout_id=str(payout.id)) if payout.attempts > 1 else []
        answer: TransferState = found[0] if found else await gateway.create_transfer(
            payout_id=str(payout.id), account_ref=payout.account_ref, amount_minor=payout.amount_minor, currency=payout.currency,
            metadata={"busload_kind": payout.kind.value}, idempotency_key=key,
        )  # fmt: skip
    except GatewayRefused as refused:
        log.warning("payout.refused", payout_id=str(payout.id), code=refused.code)
        return PayoutState.FAILED, None, refused.code or "refused"
    except GatewayError as lost:
        log.warning("payout.unknown", payout_id=str(payout.id), error=type(lost).__name__)
        return PayoutState.UNKNOWN, None, type(lost).__name__
    return PayoutState.SUCCEEDED, answer.ref, ""


async def settle_payout(pool: Pool, payout: Payout, state: PayoutState, transfer_ref: str | None, error_code: str) -> None:
    """Stores what became of it; a transfer that went through is posted once and told."""
    async with transaction(pool) as conn:
        await act_as(conn, "worker", f"payout {state.value}")
        if not await service.settle(conn, payout, state=state, transfer_ref=transfer_ref, error_code=error_code):
            return
        event = await events.get_event(conn, UUID(payout.book.removeprefix("event:")))
        assert event is not None, "a payout's book is an event's"
        await tell(conn, "event", event.id)
        contact = await find_contact(conn, payout.payee_id)
        if state is PayoutState.SUCCEEDED and contact is not None:
            await queue_mail(
                conn, dedupe_key=f"payout:{payout.id}", recipient=contact.email, template="payout_sent", locale="en",
                subject_id=payout.id,
                data={
                    "name": contact.name, "event": event.name, "kind": payout.kind.value, "amount_minor": payout.amount_minor,
                    "netted_minor": payout.owed_minor - (payout.amount_minor or 0), "currency": payout.currency,
                    "transfer": transfer_ref, "path": f"{contact.path}/{payout.reference}",
                },
            )  # fmt: skip
