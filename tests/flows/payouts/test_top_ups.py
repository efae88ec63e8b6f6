"""Money we bring to Stripe ourselves is known to the ledger, once."""

from app.core.database import Pool
from app.domain.payments.ledger import BANK, list_balances
from app.flows.learn_of_bank import learn_of_bank_movements
from app.flows.reconcile import list_all
from tests.support.fake_stripe import FakeStripe


async def test_a_top_up_is_posted_once_however_often_it_is_listed(pool: Pool, bank: FakeStripe) -> None:
    await bank.stage("topups", {"amount": 12_345, "currency": "nok"})
    listed = [one for one in await list_all(bank.gateway, since=None) if one.currency == "nok"]
    assert await learn_of_bank_movements(pool, listed) == 1
    assert await learn_of_bank_movements(pool, listed) == 0
    async with pool.acquire() as conn:
        [ours] = [one for one in await list_balances(conn, ["house"]) if one.account == BANK]
    assert (ours.amount_minor, ours.currency) == (-12_345, "NOK")
