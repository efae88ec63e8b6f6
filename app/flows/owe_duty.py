"""A duty is over: its hire is owed; with the event's last one our fee and the partner's share are taken from the fares kept."""

from uuid import UUID

from app.core.clock import busload_now
from app.core.database import Connection
from app.domain.dispatch.model import OfferState
from app.domain.dispatch.store import offers
from app.domain.events.model import Event
from app.domain.fleet import store as fleet
from app.domain.manifests import day_store
from app.domain.payments.payouts import book_store, service
from app.domain.payments.payouts.model import Book, Hire, Shares, book_closes_at, reserve_of, share_out, tax_within


async def owe_duty_within(conn: Connection, event: Event, duty_id: UUID) -> None:
    """Writes down what the duty's operator earned, and reckons the event with its last duty. The event is locked; again changes nothing.

    A duty none of whose trips runs any more earns nothing: it was withdrawn, and nobody drove.
    """
    offer = await offers.live_offer_of_duty(conn, duty_id)
    if offer is None or offer.state is not OfferState.ACCEPTED:
        return
    terms = await fleet.get_pay_terms(conn, offer.operator_id)
    assert terms is not None, "an offer has an operator"
    gross_minor = offer.price_minor if await day_store.runs_for_anybody(conn, duty_id) else 0
    book = await book_store.get_book(conn, event.id)
    hire = Hire(
        duty_id=duty_id, payee_id=offer.operator_id, book=event.book, currency=offer.currency, gross_minor=gross_minor,
        vat_bp=terms.vat_bp, tax_minor=tax_within(gross_minor, terms.vat_bp), reserve_minor=reserve_of(gross_minor, terms.reserve_bp),
        accrued_at=await busload_now(conn),
    )  # fmt: skip
    await service.owe_hire(conn, hire, is_closed=book is not None and book.closed_at is not None)
    if book is None and await day_store.is_last_home(conn, event.id):
        await open_book_within(conn, event)


async def open_book_within(conn: Connection, event: Event) -> None:
    """Fee and share on the fares kept, in the transaction of the last duty."""
    shares, kept_minor = await reckon(conn, event)
    now = await busload_now(conn)
    book = Book(
        book=event.book, event_id=event.id, partner_id=event.partner_id, currency=event.currency, kept_minor=kept_minor,
        fee_minor=shares.fee_minor, share_minor=shares.share_minor, accrued_at=now, closes_at=book_closes_at(now, event.zone),
        closed_at=None, margin_minor=None,
    )  # fmt: skip
    await service.open_book(conn, book)


async def reckon(conn: Connection, event: Event) -> tuple[Shares, int]:
    """The event's money shared out as it stands, and the fares kept (charges less refunds), minor units."""
    held = await book_store.read_held(conn, event.book, event.currency)
    shares = share_out(
        kept_minor=held.kept_minor, subsidy_minor=held.subsidy_minor, hire_minor=held.hire_minor, fee_bp=event.fee_bp,
        share_bp=event.partner_share_bp if event.partner_id is not None else 0,
    )  # fmt: skip
    return shares, held.kept_minor
