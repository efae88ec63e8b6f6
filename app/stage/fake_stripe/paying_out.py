"""Connect: operators' accounts, transfers to them, and transfers taken back."""

import msgspec

from app.stage.fake_stripe import balance
from app.stage.fake_stripe.model import Account, Charge, Reversal, Transfer
from app.stage.fake_stripe.refusals import Refusal
from app.stage.fake_stripe.world import World


def enable(world: World, account: Account) -> Account:
    """The operator finished onboarding."""
    if account.enabled:
        return account
    ready = world.books.put(msgspec.structs.replace(account, enabled=True))
    world.announce("account.updated", ready)
    return ready


def transfer(
    world: World,
    account: Account,
    *,
    amount: int,
    currency: str,
    description: str | None,
    source: Charge | None,
    group: str | None,
    metadata: dict[str, str],
) -> Transfer:
    """Move money from our balance to the account's. With a source charge it may be taken before that charge has settled."""
    _require_transferable(world, account, amount, currency, source)
    transfer_id, payment_id = world.new_id("tr"), world.new_id("py")
    out = balance.move(world, type="transfer", amount=-amount, currency=currency, source=transfer_id)
    balance.move(world, type="payment", amount=amount, currency=currency, source=payment_id, account=account.id)
    row = world.books.put(
        Transfer(
            id=transfer_id,
            created=world.clock.now(),
            amount=amount,
            amount_reversed=0,
            currency=currency,
            destination=account.id,
            description=description,
            source_transaction=source.id if source else None,
            transfer_group=group,
            balance_transaction=out.id,
            destination_payment=payment_id,
            metadata=metadata,
        )
    )
    world.announce("transfer.created", row)
    return row


def _require_transferable(world: World, account: Account, amount: int, currency: str, source: Charge | None) -> None:
    if amount <= 0:
        raise Refusal(400, "Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if not account.enabled:
        raise Refusal(
            400,
            "Your destination account needs to have at least one of the following capabilities enabled: transfers",
            code="insufficient_capabilities_for_transfer",
        )
    if source is None:
        balance.require_available(world, amount=amount, currency=currency, account=None)
    elif source.currency != currency or amount > source.amount:
        raise Refusal(400, "The transfer must be in the currency of its source charge and not exceed it.", param="amount")


def reverse(world: World, row: Transfer, *, amount: int | None, metadata: dict[str, str]) -> Reversal:
    """Take back part or all of a transfer; the operator's balance must carry it."""
    left = row.amount - row.amount_reversed
    amount = left if amount is None else amount
    if amount <= 0 or amount > left:
        raise Refusal(400, f"Reversal amount must be from 1 to the unreversed {left} {row.currency}.", param="amount")
    balance.require_available(world, amount=amount, currency=row.currency, account=row.destination)
    reversal_id = world.new_id("trr")
    back = balance.move(world, type="transfer_refund", amount=amount, currency=row.currency, source=reversal_id)
    balance.move(
        world,
        type="payment_refund",
        amount=-amount,
        currency=row.currency,
        source=row.destination_payment,
        account=row.destination,
    )
    made = world.books.put(
        Reversal(
            id=reversal_id,
            created=world.clock.now(),
            amount=amount,
            currency=row.currency,
            transfer=row.id,
            balance_transaction=back.id,
            metadata=metadata,
        )
    )
    reduced = world.books.put(msgspec.structs.replace(row, amount_reversed=row.amount_reversed + amount))
    world.announce("transfer.reversed", reduced)
    return made
