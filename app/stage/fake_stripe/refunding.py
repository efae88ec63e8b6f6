"""Refunds and disputes: money that leaves again."""

import msgspec

from app.stage.fake_stripe import balance
from app.stage.fake_stripe.cards import habit_of
from app.stage.fake_stripe.model import Charge, Dispute, PaymentMethod, Refund
from app.stage.fake_stripe.refusals import Refusal
from app.stage.fake_stripe.world import World

REFUND_FAILS_AFTER_S = 5
EVIDENCE_WITHIN_S = 9 * 86_400


def refund(world: World, charge: Charge, *, amount: int | None, reason: str | None, metadata: dict[str, str]) -> Refund:
    """Send back part or all of a charge at once. Raises Refusal when nothing or too little is left of it."""
    left = charge.amount - charge.amount_refunded
    _require_refundable(world, charge, amount, left)
    amount = left if amount is None else amount
    refund_id = world.new_id("re")
    movement = balance.move(world, type="refund", amount=-amount, currency=charge.currency, source=refund_id)
    row = world.books.put(
        Refund(
            id=refund_id,
            created=world.clock.now(),
            amount=amount,
            currency=charge.currency,
            charge=charge.id,
            payment_intent=charge.payment_intent,
            status="succeeded",
            reason=reason,
            metadata=metadata,
            balance_transaction=movement.id,
        )
    )
    reduced = world.books.put(msgspec.structs.replace(charge, amount_refunded=charge.amount_refunded + amount))
    method = world.books.get(PaymentMethod, charge.payment_method)
    if method is not None and habit_of(method.card.number).refund_fails:
        world.schedule(row.id, "fail_refund", after_s=REFUND_FAILS_AFTER_S)
    world.announce("refund.created", row)
    world.announce("charge.refunded", reduced)
    return row


def _require_refundable(world: World, charge: Charge, amount: int | None, left: int) -> None:
    dispute = None if charge.dispute is None else world.books.get(Dispute, charge.dispute)
    if charge.status != "succeeded":
        raise Refusal(400, f"Charge {charge.id} has not succeeded.", code="charge_not_refundable")
    if dispute is not None and dispute.status != "won":
        raise Refusal(400, f"Charge {charge.id} has been charged back.", code="charge_disputed")
    if left == 0:
        raise Refusal(400, f"Charge {charge.id} has already been refunded.", code="charge_already_refunded")
    if amount is not None and amount <= 0:
        raise Refusal(400, "Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount is not None and amount > left:
        raise Refusal(
            400,
            f"Refund amount ({amount} {charge.currency}) is greater than unrefunded amount on charge ({left} {charge.currency})",
            param="amount",
        )


def fail_refund(world: World, refund_id: str) -> None:
    """The bank sent a refund back: the money is ours again."""
    row = world.need(Refund, refund_id, "refund", param="refund")
    charge = world.need(Charge, row.charge, "charge", param="charge")
    movement = balance.move(world, type="refund_failure", amount=row.amount, currency=row.currency, source=row.id)
    failed = world.books.put(
        msgspec.structs.replace(
            row,
            status="failed",
            failure_reason="lost_or_stolen_card",
            failure_balance_transaction=movement.id,
        )
    )
    world.books.put(msgspec.structs.replace(charge, amount_refunded=charge.amount_refunded - row.amount))
    world.announce("refund.updated", failed)
    world.announce("refund.failed", failed)


def open_dispute(world: World, charge: Charge, *, reason: str) -> Dispute:
    """The cardholder went to the bank: what is left of the charge is withdrawn with a fee. Once more only after we have won."""
    before = world.need(Dispute, charge.dispute, "dispute", param="charge") if charge.dispute is not None else None
    if charge.status != "succeeded" or (before is not None and before.status != "won"):
        raise Refusal(400, f"Charge {charge.id} cannot be disputed.", code="charge_not_disputable")
    amount = charge.amount - charge.amount_refunded
    dispute_id = world.new_id("du")
    movement = balance.move(
        world,
        type="adjustment",
        amount=-amount,
        fee=world.terms.dispute_fee_minor,
        currency=charge.currency,
        source=dispute_id,
        description=f"Chargeback withdrawal for {charge.id}",
    )
    row = world.books.put(
        Dispute(
            id=dispute_id,
            created=world.clock.now(),
            amount=amount,
            currency=charge.currency,
            charge=charge.id,
            payment_intent=charge.payment_intent,
            reason=reason,
            status="needs_response",
            due_by=world.clock.now() + EVIDENCE_WITHIN_S,
            evidence={},
            submission_count=0,
            metadata={},
            balance_transactions=(movement.id,),
        )
    )
    world.books.put(msgspec.structs.replace(charge, dispute=row.id))
    world.announce("charge.dispute.created", row)
    world.announce("charge.dispute.funds_withdrawn", row)
    return row


def close_dispute(world: World, row: Dispute, *, won: bool) -> Dispute:
    """The bank decided. Won: the amount comes back, the fee does not."""
    if row.status in ("won", "lost"):
        return row
    movements = row.balance_transactions
    if won:
        back = balance.move(
            world,
            type="adjustment",
            amount=row.amount,
            currency=row.currency,
            source=row.id,
            description=f"Chargeback reversal for {row.charge}",
        )
        movements = (*movements, back.id)
    closed = msgspec.structs.replace(row, status="won" if won else "lost", balance_transactions=movements)
    world.books.put(closed)
    if won:
        world.announce("charge.dispute.funds_reinstated", closed)
    world.announce("charge.dispute.closed", closed)
    return closed
