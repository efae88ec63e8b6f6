"""The ledger against Stripe's balance transactions: every movement on both sides, one to one; stored, shown, told."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from app.core.database import Pool, transaction
from app.core.jobs import enqueue_for
from app.core.log import logger
from app.domain.accounts import store as accounts
from app.domain.notifications.model import NewMail
from app.domain.notifications.service import queue_mails
from app.domain.payments import reconcile_store as store
from app.domain.payments.gateway import BalanceTransaction, PaymentGateway
from app.domain.payments.reconcile_store import Reconciliation
from app.domain.payments.reconciling import Finding, Posted, Result, Whose, compare
from app.domain.pledges import store as pledges
from app.flows.learn_of_bank import learn_of_bank_movements
from app.flows.learn_of_fee import learn_of_fees

log = logger(__name__)
PAGE = 100
EVERY_S, PATIENCE_S = 86_400.0, 3_600.0
MARGIN = timedelta(days=10)  # the other side of a movement was booked within this, as Stripe's clock and look-ups go


async def reconcile(pool: Pool, *, gateway: PaymentGateway, since: datetime | None = None) -> Reconciliation:
    """One run over everything, or over what moved from `since` on. Stores and returns it; Stripe's errors end it unfinished."""
    async with transaction(pool) as conn:
        run_id, _ = await store.start_run(conn, since=since)
    return await run(pool, run_id, gateway=gateway, since=since)


async def want_reconciliation(pool: Pool) -> UUID:
    """An organiser asks for a run: a worker does it."""
    async with transaction(pool) as conn:
        run_id, _ = await store.start_run(conn, since=None)
        await enqueue_for(conn, "reconcile", [run_id])
        return run_id


async def reconcile_wanted(pool: Pool, run_id: UUID, *, gateway: PaymentGateway) -> None:
    """Job `reconcile`: does a run that was asked for. Again is no error."""
    async with transaction(pool) as conn:
        waits, since = await store.get_run_since(conn, run_id)
    if waits:
        await run(pool, run_id, gateway=gateway, since=since)


async def reconcile_daily(pool: Pool, *, gateway: PaymentGateway) -> bool:
    """The worker's period: a full run when the last one is a day old, by one worker only. True when it ran."""
    async with transaction(pool) as conn:
        if not await store.is_run_due(conn, every_s=EVERY_S, patience_s=PATIENCE_S):
            return False
        run_id, _ = await store.start_run(conn, since=None)
    found = await run(pool, run_id, gateway=gateway, since=None)
    if found.findings:
        log.error("reconcile.differs", findings=len(found.findings), run_id=str(run_id))
        await tell_organisers(pool, found)
    return True


async def run(pool: Pool, run_id: UUID, *, gateway: PaymentGateway, since: datetime | None) -> Reconciliation:
    """Asks Stripe first and the ledger then, so that what is posted meanwhile is known as such."""
    await learn_of_fees(pool, gateway=gateway)
    async with transaction(pool) as conn:
        began_at: datetime = await conn.fetchval("SELECT busload_now()")
    listed = await list_all(gateway, since=since - MARGIN if since else None)
    await learn_of_bank_movements(pool, listed)
    posted, owners = await read_ours(pool, listed, since=since - MARGIN if since else None)
    result = compare(listed, posted, owners, began_at=began_at)
    if since is not None:
        result = only_since(result, listed, posted, since)
    async with transaction(pool) as conn:
        codes = {
            pledge.id: pledge.public_code
            for pledge in await pledges.list_pledges_by_id(
                conn, [one.reference for one in (*result.findings, *result.in_flight) if one.reference is not None]
            )
        }
        await store.finish_run(
            conn, run_id, movements=len(listed), matched=result.matched, findings=with_codes(result.findings, codes),
            in_flight=with_codes(result.in_flight, codes),
        )  # fmt: skip
        found = await store.last_run(conn)
    assert found is not None
    return found


async def list_all(gateway: PaymentGateway, *, since: datetime | None) -> list[BalanceTransaction]:
    """Every movement of our balance at Stripe, oldest first, page by page."""
    found: list[BalanceTransaction] = []
    after: str | None = None
    while page := await gateway.list_balance_transactions(after_ref=after, limit=PAGE, since=since):
        found += page
        after = page[-1].ref
    return found


async def read_ours(pool: Pool, listed: Sequence[BalanceTransaction], *, since: datetime | None) -> tuple[list[Posted], dict[str, Whose]]:
    """The ledger's movements at Stripe as of one moment, and whose everything is."""
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        posted = await store.list_posted(conn, since=since)
        if since is not None:
            known = {one.transaction_id for one in posted}
            older = await store.list_posted_for(conn, sorted({one.source_ref for one in listed if one.source_ref}))
            posted += [one for one in older if one.transaction_id not in known]
        refs = {ref for one in listed for ref in (one.source_ref, one.charge_ref) if ref}
        refs |= {one.external_ref for one in posted if one.external_ref}
        ids = {one.cause for one in posted} | {our_id for one in listed if (our_id := as_uuid(one.source_reference)) is not None}
        owners = await store.list_owners(conn, refs=sorted(refs), ids=sorted(ids))
    return posted, {one.key: Whose(payment_id=one.payment_id, reference=one.reference, in_flight=one.in_flight) for one in owners}


def as_uuid(text: str | None) -> UUID | None:
    """Our id in an object's metadata, if it is one."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def only_since(result: Result, listed: Sequence[BalanceTransaction], posted: Sequence[Posted], since: datetime) -> Result:
    """What concerns a movement from `since` on; the margin before it was read only to find the other halves."""
    young = {one.ref for one in listed if one.created_at >= since}
    new = {one.transaction_id for one in posted if one.posted_at >= since}

    def concerns(one: Finding) -> bool:
        return one.movement_ref in young or one.transaction_id in new

    return Result(
        matched=result.matched,
        findings=[one for one in result.findings if concerns(one)],
        in_flight=[one for one in result.in_flight if concerns(one)],
    )


def with_codes(findings: Sequence[Finding], codes: dict[UUID, str]) -> list[Finding]:
    """Findings with the public codes of their pledges."""
    return [msgspec.structs.replace(one, pledge_code=codes.get(one.reference)) if one.reference else one for one in findings]


async def tell_organisers(pool: Pool, found: Reconciliation) -> None:
    """A mail to every organiser when a daily run has found something."""
    async with transaction(pool) as conn:
        mails = [
            NewMail(
                dedupe_key=f"reconciliation:{found.id}:{email}",
                recipient=email,
                template="money_needs_you",
                locale="en",
                subject_id=found.id,
                data={
                    "subject": f"Ledger and Stripe differ: {len(found.findings)} finding(s)",
                    "link": "/organiser/money",
                    "what": "\n".join(f"- {one.what}" for one in found.findings[:10]),
                },
            )
            for email in await accounts.list_organiser_emails(conn)
        ]
        await queue_mails(conn, mails)
