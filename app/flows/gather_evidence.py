"""What we know of a contested charge, from every slice: pledge, terms shown, mails, check-ins, receipt, refunds."""

from datetime import datetime

import msgspec

from app.core.database import Connection
from app.domain.events import store as events
from app.domain.events.ladder import TermsShown, steps_of
from app.domain.manifests.day_store import read_pledge_check_ins
from app.domain.notifications import store as mails
from app.domain.notifications.model import money
from app.domain.payments import refund_store
from app.domain.payments.evidence import Boarded, Facts, GivenBack, Told
from app.domain.payments.model import Payment
from app.domain.pledges import store as pledges
from app.domain.pledges.ladder_store import read_terms_shown
from app.domain.pledges.model import Pledge
from app.domain.trips import store as trips


async def gather_facts(conn: Connection, payment: Payment) -> Facts:
    """Everything that speaks of a pledge's charge, as it is now."""
    pledge = await pledges.get_pledge(conn, payment.reference)
    assert pledge is not None
    trip = await trips.get_trip(conn, pledge.trip_id)
    event = await events.get_event(conn, pledge.event_id)
    assert trip is not None
    assert event is not None
    terms, mandate = await pledges.read_terms(conn, pledge.terms_version)
    return Facts(
        name=pledge.name, email=pledge.email, code=pledge.public_code, people=pledge.people, legs=pledge.legs,
        trip=f"{trip.origin} to {event.name} ({event.venue_name})", travels_at=event.starts_at, pledged_at=pledge.created_at,
        confirmed_at=payment.created_at, agreed=money(pledge.amount_minor, pledge.currency), terms_version=pledge.terms_version,
        terms=terms, mandate=mandate, terms_shown_at=pledge.terms_shown_at, ladder=await ladder_shown(conn, pledge), card=pledge.card_label,
        amount=money(payment.amount_minor, payment.currency),
        charged_at=payment.settled_at, charge_ref=payment.charge_ref, intent_ref=payment.intent_ref, state=pledge.state.value,
        told=await told_to(conn, pledge), boarded=await boarded_by(conn, pledge), given_back=await given_back_for(conn, payment),
    )  # fmt: skip


async def ladder_shown(conn: Connection, pledge: Pledge) -> list[tuple[datetime, int]]:
    """The refund ladder with its dates, as the rider saw it."""
    kept = await read_terms_shown(conn, pledge.id)
    if kept is None:
        return []
    shown = msgspec.convert(kept, TermsShown)
    steps = steps_of(shown.ladder, arrive_by_at=shown.arrive_by_at, booking_closes_at=shown.booking_closes_at)
    return [(step.until, step.refund_bp) for step in steps]


async def told_to(conn: Connection, pledge: Pledge) -> list[Told]:
    """The mails that reached the rider."""
    found = await mails.list_mails_about(conn, [pledge.id])
    return [Told(about=mail.template, sent_at=mail.sent_at) for mail in found if mail.sent_at is not None]


async def boarded_by(conn: Connection, pledge: Pledge) -> list[Boarded]:
    """Who of the party came aboard, and when."""
    found = await read_pledge_check_ins(conn, pledge.id)
    return [Boarded(person=one.person, leg=one.leg, method=one.method, at=one.checked_at) for one in found if one.conflicts_with is None]


async def given_back_for(conn: Connection, payment: Payment) -> list[GivenBack]:
    """What of the charge has gone back."""
    return [
        GivenBack(
            amount=money(refund.amount_minor, refund.currency),
            reason=refund.reason,
            state=refund.state.value,
            refund_ref=refund.refund_ref,
            at=when(refund.settled_at, refund.submitted_at),
        )
        for refund in await refund_store.list_refunds_of(conn, [payment.id])
    ]


def when(*moments: datetime | None) -> datetime | None:
    """The first that is known."""
    return next((moment for moment in moments if moment is not None), None)
