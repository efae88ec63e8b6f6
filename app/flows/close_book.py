"""The month's end of an event: what its fares left over becomes margin, the partner's share is paid; and covering what is missing."""

from uuid import UUID

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Pool, transaction
from app.core.errors import Conflict, NotFound
from app.core.idempotency import KeyedRequest, claim_key
from app.core.ids import new_id
from app.core.live import tell
from app.core.timers import set_timer, set_timers
from app.domain.events import store as events
from app.domain.notifications.model import money
from app.domain.payments import ledger
from app.domain.payments.payouts import book_store, service, store
from app.domain.payments.payouts.model import TRY_AGAIN_AFTER, WaitsFor
from app.flows.owe_duty import reckon
from app.flows.tell_organisers import tell_organisers_within


async def close_book(pool: Pool, event_id: UUID) -> None:
    """Timer `book_close`: closes the event's book once no charge or refund is under way and its money carries everything.

    Until then it is looked at again every day; a book that lacks money is for an organiser to cover.
    """
    async with transaction(pool) as conn:
        await act_as(conn, "timer", "month end")
        event = await events.lock_event(conn, event_id)
        book = await book_store.get_book(conn, event_id)
        if event is None or book is None or book.closed_at is not None:
            return
        shares, kept_minor = await reckon(conn, event)
        if shares.rest_minor < 0 or await book_store.is_money_under_way(conn, event.book):
            await set_timer(conn, service.BOOK_TIMER, event_id, await busload_now(conn) + TRY_AGAIN_AFTER)
            if shares.rest_minor < 0:
                missing = money(-shares.rest_minor, event.currency)
                what = f"The event's book cannot be closed: {missing} are missing for its hire. Cover it on the payouts page."
                await tell_organisers_within(conn, event, what=what, once=f"book-{-shares.rest_minor}")
            return
        await service.close_book(conn, book, shares, kept_minor=kept_minor)
        await tell(conn, "event", event_id)


async def cover_payouts(
    pool: Pool, event_id: UUID, *, missing_minor: int, actor: str, request: KeyedRequest | None = None
) -> int:  # fmt: skip
    """The house pays what an event's money lacks for what it owes; returns what was posted, minor units (0 for a repeated request).

    `missing_minor` is the figure the organiser saw. Raises NotFound, Conflict `nothing_to_cover` or `missing_changed`, KeyReused.
    """
    async with transaction(pool) as conn:
        await act_as(conn, actor, "payouts covered")
        cause = new_id()
        if request is not None and await claim_key(
            conn, scope=f"cover:{event_id}", key=request.key, body=request.body, effect_id=cause
        ):  # fmt: skip
            return 0
        event = await events.lock_event(conn, event_id)
        if event is None:
            raise NotFound("There is no such event.", code="unknown_event")
        held = await book_store.read_held(conn, event.book, event.currency)
        missing = max(0, -held.fares_minor)
        if missing == 0:
            raise Conflict("This event's money carries everything it owes.", code="nothing_to_cover")
        if missing != missing_minor:
            raise Conflict(f"{missing} are missing now (minor units), not {missing_minor}. Look again.", code="missing_changed")
        await ledger.post(
            conn, kind="subsidy", cause=cause, book=event.book, currency=event.currency, external_ref=None,
            entries=[(ledger.SUBSIDY, missing), (ledger.FARES, -missing)],
        )  # fmt: skip
        waiting = [one.id for one in await store.list_payouts_in_book(conn, event.book) if one.waits_for is WaitsFor.COVER]
        await set_timers(conn, service.PAYOUT_TIMER, waiting, await busload_now(conn))
        await tell(conn, "event", event_id)
        return missing
