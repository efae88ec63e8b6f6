"""Another card for a pledge that counts: the cap holds for it too, charges that wait use it at once, the old one is forgotten in time."""

from datetime import timedelta
from uuid import UUID

from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.jobs import enqueue_for
from app.core.timers import set_timer
from app.domain.notifications.service import queue_mail
from app.domain.payments import store as payments
from app.domain.payments.gateway import PaymentGateway
from app.domain.payments.model import UNSETTLED, Payment
from app.domain.pledges import card_store as cards
from app.domain.pledges import store as pledges
from app.domain.pledges.card_store import SetAsideReason
from app.domain.pledges.model import MAX_PEOPLE_PER_CARD, Pledge, SavedCard
from app.flows.secure_pledge import over_card_cap

ASK_AGAIN = timedelta(minutes=10)


async def replace_card_within(conn: Connection, pledge: Pledge, card: SavedCard) -> Pledge:
    """The pledge stands on the new card, unless that one stands for too many people of the trip already: then the old one stays.

    Trip and pledge are locked. News of a card that the pledge has parted with changes nothing, however late it comes.
    """
    if await cards.is_set_aside(conn, pledge.id, card.payment_method_ref):
        return pledge
    is_other = card.card_fingerprint != pledge.card_fingerprint
    if is_other and await over_card_cap(conn, pledge.trip_id, card.card_fingerprint, people=pledge.people):
        await part_with(conn, pledge, card.payment_method_ref, card.card_label, reason=SetAsideReason.CARD_LIMIT)
        await tell_rider(conn, pledge, card, template="card_not_taken", waiting=False)
        return pledge
    if pledge.payment_method_ref is not None:
        await part_with(conn, pledge, pledge.payment_method_ref, pledge.card_label, reason=SetAsideReason.REPLACED)
    await pledges.set_card(conn, pledge.id, card)
    if pledge.account_id is not None:
        await pledges.keep_card(conn, pledge.account_id, card)
    waiting = await use_for_waiting(conn, await payments.lock_payments_of(conn, [pledge.id]), card)
    await tell_rider(conn, pledge, card, template="card_replaced", waiting=waiting)
    return await pledges.lock_pledge(conn, pledge.id)


async def use_for_waiting(conn: Connection, charges: list[Payment], card: SavedCard) -> bool:
    """Charges that wait use the new card at once; one under way does when it fails (settle_payment). Returns whether any waited."""
    moved = [
        charge.id
        for charge in charges
        if await payments.use_other_card(conn, charge.id, customer_ref=card.customer_ref, payment_method_ref=card.payment_method_ref)
    ]
    await enqueue_for(conn, "charge_payment", moved)
    return bool(moved)


async def part_with(conn: Connection, pledge: Pledge, payment_method_ref: str, card_label: str, *, reason: SetAsideReason) -> None:
    """The pledge does not stand on this card; Stripe is to forget it."""
    card_id = await cards.set_aside(conn, pledge.id, payment_method_ref=payment_method_ref, card_label=card_label, reason=reason)
    if card_id is not None:
        await enqueue_for(conn, "forget_card", [card_id])


async def tell_rider(conn: Connection, pledge: Pledge, card: SavedCard, *, template: str, waiting: bool) -> None:
    """Which card it is now."""
    await queue_mail(
        conn, dedupe_key=f"{template}:{card.payment_method_ref}", recipient=pledge.email, template=template, locale=pledge.locale,
        subject_id=pledge.id,
        data={
            "pledge_id": str(pledge.id), "name": pledge.name, "code": pledge.public_code, "card": card.card_label,
            "old_card": pledge.card_label or "your old card", "waiting": waiting, "cap": MAX_PEOPLE_PER_CARD,
        },
    )  # fmt: skip


async def forget_card(pool: Pool, card_id: UUID, *, gateway: PaymentGateway) -> None:
    """Job and timer `forget_card`: Stripe forgets a card set aside, once no charge under way needs it. Repeatable.

    A card that another pledge or the rider's account stands on is theirs: it is forgotten when they part with it.
    """
    async with transaction(pool) as conn:
        card = await cards.get_set_aside(conn, card_id)
        if card is None or card.forgotten_at is not None:
            return
        charges = await payments.list_payments_of(conn, [card.pledge_id])
        if any(charge.state in UNSETTLED and charge.payment_method_ref == card.payment_method_ref for charge in charges):
            await set_timer(conn, "forget_card", card.id, await busload_now(conn) + ASK_AGAIN)
            return
        needed = await pledges.card_is_needed(conn, card.payment_method_ref)
    if not needed:
        await gateway.detach_payment_method(card.payment_method_ref)
    async with transaction(pool) as conn:
        await cards.mark_forgotten(conn, card.id)
