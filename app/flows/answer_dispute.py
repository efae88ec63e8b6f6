"""The answer to a dispute, once: evidence gathered and stored before the call; when nobody answers, looked up."""

from uuid import UUID

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict, NotFound
from app.core.idempotency import KeyedRequest, claim_key
from app.core.ids import new_id
from app.core.jobs import enqueue_for
from app.core.log import logger
from app.core.timers import clear_timer, set_timer
from app.domain.payments import dispute_store as disputes
from app.domain.payments import store as payments
from app.domain.payments.evidence import evidence_of
from app.domain.payments.gateway import GatewayError, GatewayRefused, PaymentGateway
from app.domain.payments.model import LOOKUP_AFTER, Dispute, DisputeState, Payment
from app.flows.gather_evidence import gather_facts
from app.flows.learn_of_dispute import settle_dispute

log = logger(__name__)
ASKED = (DisputeState.SUBMITTING, DisputeState.UNKNOWN)


async def answer_dispute(pool: Pool, dispute_id: UUID, *, note: str, actor: str, request: KeyedRequest | None = None) -> Dispute:
    """An organiser sends the evidence, with a text of theirs. Raises Conflict `dispute_answered` when it is too late; NotFound."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "evidence submitted")
        if await disputes.get_dispute(conn, dispute_id) is None:
            raise NotFound("There is no such dispute.", code="unknown_dispute")
        scope = f"dispute:{dispute_id}"
        if request is None or await claim_key(conn, scope=scope, key=request.key, body=request.body, effect_id=new_id()) is None:
            answered = await answer_within(conn, dispute_id, note=note, submitted_by=actor)
            if answered is None:
                raise Conflict("This dispute has been answered or decided: evidence is sent once.", code="dispute_answered")
        dispute = await disputes.get_dispute(conn, dispute_id)
        assert dispute is not None
        return dispute


async def answer_by_itself(pool: Pool, dispute_id: UUID) -> None:
    """Timer `dispute_answer`: shortly before the bank's deadline, if nobody did. Too late for the bank is left to Stripe to close."""
    async with transaction(pool) as conn:
        await act_as(conn, "timer", "evidence submitted by itself")
        dispute = await disputes.get_dispute(conn, dispute_id)
        if dispute is None or dispute.evidence_due_at is None or await busload_now(conn) > dispute.evidence_due_at:
            return
        await answer_within(conn, dispute_id, note="", submitted_by="timer")


async def answer_within(conn: Connection, dispute_id: UUID, *, note: str, submitted_by: str) -> Dispute | None:
    """`open -> submitting` with the evidence stored; the job sends it. None when it is not open any more."""
    dispute = await disputes.lock_dispute(conn, dispute_id)
    if dispute is None or dispute.state is not DisputeState.OPEN:
        return None
    payment = await payments.get_payment(conn, dispute.payment_id)
    assert payment is not None
    evidence = evidence_of(await gather_facts(conn, payment), note)
    stored = await disputes.store_answer(
        conn, dispute_id, come_from=[DisputeState.OPEN], note=note, evidence=evidence, submitted_by=submitted_by
    )
    await enqueue_for(conn, "send_evidence", [dispute_id])
    await set_timer(conn, "dispute_lookup", dispute_id, await busload_now(conn) + LOOKUP_AFTER)
    return stored


async def send_evidence(pool: Pool, dispute_id: UUID, *, gateway: PaymentGateway) -> None:
    """Job: sends what is stored. Any number of workers may be asked: the key is the attempt's own."""
    dispute, payment = await read(pool, dispute_id)
    if dispute is None or payment is None or dispute.state is not DisputeState.SUBMITTING:
        return
    try:
        found = await gateway.submit_dispute_evidence(
            dispute.dispute_ref, evidence=dispute.evidence, idempotency_key=f"dispute-{dispute.id}-{dispute.attempts}"
        )
    except GatewayRefused as refused:
        await give_up(pool, dispute, code=refused.code or "refused")
    except GatewayError as lost:
        log.warning("dispute.unknown", dispute_id=str(dispute_id), error=type(lost).__name__)
        await in_doubt(pool, dispute_id)
    else:
        await settle_dispute(pool, payment.id, found)


async def read(pool: Pool, dispute_id: UUID) -> tuple[Dispute | None, Payment | None]:
    """A dispute and its payment."""
    async with transaction(pool) as conn:
        dispute = await disputes.get_dispute(conn, dispute_id)
        return dispute, await payments.get_payment(conn, dispute.payment_id) if dispute else None


async def give_up(pool: Pool, dispute: Dispute, *, code: str) -> None:
    """Stripe said no (closed meanwhile, a field too long): `open` again, with the reason for the organiser."""
    async with transaction(pool) as conn:
        await act_as(conn, "worker", f"evidence refused: {code}")
        await disputes.set_dispute_state(conn, dispute.id, come_from=ASKED, go_to=DisputeState.OPEN, error_code=code)
        await clear_timer(conn, "dispute_lookup", dispute.id)


async def in_doubt(pool: Pool, dispute_id: UUID) -> None:
    """Nobody answered: looked up before anything else is done."""
    async with transaction(pool) as conn:
        await act_as(conn, "worker", "nobody answered")
        await disputes.set_dispute_state(conn, dispute_id, come_from=[DisputeState.SUBMITTING], go_to=DisputeState.UNKNOWN)
        await set_timer(conn, "dispute_lookup", dispute_id, await busload_now(conn) + LOOKUP_AFTER)


async def look_up_dispute(pool: Pool, dispute_id: UUID, *, gateway: PaymentGateway) -> None:
    """Timer: an answer nobody confirmed. Stripe's own count of submissions tells whether it arrived; if not it is sent again."""
    await in_doubt(pool, dispute_id)
    dispute, payment = await read(pool, dispute_id)
    if dispute is None or payment is None or dispute.state is not DisputeState.UNKNOWN:
        return
    try:
        found = await gateway.fetch_dispute(dispute.dispute_ref)
    except GatewayError as error:
        log.warning("dispute.no_answer", dispute_id=str(dispute_id), error=type(error).__name__)
        return  # in_doubt has set the next look-up
    await settle_dispute(pool, payment.id, found)
    if found.status == "open" and found.submissions == 0:
        await send_once_more(pool, dispute, gateway=gateway)
    elif found.status == "open":
        log.error("dispute.submitted_and_open", dispute_id=str(dispute_id))  # an inquiry that stays open: nothing more to send
        await give_up(pool, dispute, code="submitted")


async def send_once_more(pool: Pool, dispute: Dispute, *, gateway: PaymentGateway) -> None:
    """Stripe has no evidence: the same words under another key."""
    async with transaction(pool) as conn:
        await act_as(conn, "timer", "no evidence had arrived")
        again = await disputes.store_answer(
            conn, dispute.id, come_from=[DisputeState.UNKNOWN], note=dispute.note, evidence=dispute.evidence,
            submitted_by=dispute.submitted_by,
        )  # fmt: skip
        await set_timer(conn, "dispute_lookup", dispute.id, await busload_now(conn) + LOOKUP_AFTER)
    if again is not None:
        await send_evidence(pool, dispute.id, gateway=gateway)
