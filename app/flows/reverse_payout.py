"""Part of a transfer comes back, exactly once. A refund never assumes that it can: what the operator's balance does not carry is a debt."""

from uuid import UUID

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Pool, transaction
from app.core.log import logger
from app.core.timers import clear_timer, set_timer
from app.domain.notifications.service import queue_mail
from app.domain.payments.gateway import GatewayError, GatewayRefused, PaymentGateway
from app.domain.payments.gateway import ReversalState as GatewayReversal
from app.domain.payments.payouts import debt_store, service, store
from app.domain.payments.payouts.model import LOOK_UP_AFTER, Payout, Reversal, ReversalState
from app.flows.payee_contact import find_contact

log = logger(__name__)
SETTLED = frozenset({ReversalState.SUCCEEDED, ReversalState.FAILED})


async def reverse_payout(pool: Pool, reversal_id: UUID, *, gateway: PaymentGateway) -> None:
    """Timer `reversal`: takes money back, or looks up what nobody answered for. Any number of workers may be asked."""
    async with transaction(pool) as conn:
        await act_as(conn, "worker", "reversal")
        reversal = await debt_store.get_reversal(conn, reversal_id)
        if reversal is None or reversal.state in SETTLED:
            await clear_timer(conn, service.REVERSAL_TIMER, reversal_id)
            return
        if reversal.submitted_at is not None and await busload_now(conn) < reversal.submitted_at + LOOK_UP_AFTER:
            await set_timer(conn, service.REVERSAL_TIMER, reversal_id, reversal.submitted_at + LOOK_UP_AFTER)
            return
        if reversal.state is ReversalState.SUBMITTING:
            await debt_store.settle_reversal(conn, reversal_id, state=ReversalState.UNKNOWN, reversal_ref=None, error_code="no_answer")
        claimed = await service.claim_reversal(conn, reversal_id)
        payout = await store.get_payout(conn, reversal.payout_id)
    if claimed is not None:
        assert payout is not None, "a reversal has a payout"
        reversal, key = claimed
        await settle_reversal(pool, reversal, payout, *await ask(reversal, payout, key, gateway=gateway))


async def ask(reversal: Reversal, payout: Payout, key: str, *, gateway: PaymentGateway) -> tuple[ReversalState, str | None, str]:
    """The reversal at Stripe: the one an earlier attempt left there, else a new one. Never raises a gateway's error."""
    assert payout.transfer_ref is not None, "only what was transferred is taken back"
    try:
        found = (
            await gateway.find_reversals(transfer_ref=payout.transfer_ref, reversal_id=str(reversal.id)) if reversal.attempts > 1 else []
        )
        answer: GatewayReversal = found[0] if found else await gateway.reverse_transfer(
            reversal_id=str(reversal.id), transfer_ref=payout.transfer_ref, amount_minor=reversal.amount_minor, metadata={},
            idempotency_key=key,
        )  # fmt: skip
    except GatewayRefused as refused:
        log.warning("reversal.refused", reversal_id=str(reversal.id), code=refused.code)
        return ReversalState.FAILED, None, refused.code or "refused"
    except GatewayError as lost:
        log.warning("reversal.unknown", reversal_id=str(reversal.id), error=type(lost).__name__)
        return ReversalState.UNKNOWN, None, type(lost).__name__
    return ReversalState.SUCCEEDED, answer.ref, ""


async def settle_reversal(
    pool: Pool, reversal: Reversal, payout: Payout, state: ReversalState, reversal_ref: str | None, error_code: str
) -> None:
    """Stores what became of it; a refused one is owed by the operator, who is told."""
    async with transaction(pool) as conn:
        await act_as(conn, "worker", f"reversal {state.value}")
        done = await service.settle_reversal(conn, reversal, payout, state=state, reversal_ref=reversal_ref, error_code=error_code)
        contact = await find_contact(conn, payout.payee_id)
        if done and state is ReversalState.FAILED and contact is not None:
            await queue_mail(
                conn, dedupe_key=f"reversal-debt:{reversal.id}", recipient=contact.email, template="payout_owed_back", locale="en",
                subject_id=reversal.id,
                data={
                    "name": contact.name, "amount_minor": reversal.amount_minor, "currency": reversal.currency, "path": contact.path,
                },
            )  # fmt: skip
