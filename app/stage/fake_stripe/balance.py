"""Movements of balances: ours (account None) and connected ones. Available = what has settled; pending = what has not."""

from app.stage.fake_stripe.model import BalanceTransaction
from app.stage.fake_stripe.refusals import Refusal
from app.stage.fake_stripe.world import World


def move(
    world: World,
    *,
    type: str,
    amount: int,
    currency: str,
    source: str,
    fee: int = 0,
    settle_after_s: int = 0,
    description: str | None = None,
    account: str | None = None,
) -> BalanceTransaction:
    """Write one movement of `amount` (signed) less `fee`, in minor units."""
    now = world.clock.now()
    row = BalanceTransaction(
        id=world.new_id("txn"),
        created=now,
        available_on=now + settle_after_s,
        amount=amount,
        fee=fee,
        currency=currency,
        type=type,
        source=source,
        description=description,
        account=account,
    )
    return world.books.put(row)


def totals(world: World, account: str | None) -> dict[str, tuple[int, int]]:
    """(available, pending) minor units by currency."""
    now = world.clock.now()
    sums: dict[str, tuple[int, int]] = {}
    for row in world.books.newest_first(BalanceTransaction):
        if row.account == account:
            available, pending = sums.get(row.currency, (0, 0))
            net = row.amount - row.fee
            settled = row.available_on <= now
            sums[row.currency] = (available + net, pending) if settled else (available, pending + net)
    return sums


def require_available(world: World, *, amount: int, currency: str, account: str | None) -> None:
    """Raises Refusal `balance_insufficient` unless `amount` has settled."""
    available, _ = totals(world, account).get(currency, (0, 0))
    if available < amount:
        raise Refusal(
            400,
            f"Insufficient funds in Stripe account: {available} {currency} available, {amount} needed.",
            code="balance_insufficient",
        )
