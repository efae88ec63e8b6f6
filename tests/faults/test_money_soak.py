"""`make soak-money` in short, and the auditor it relies on: it must see what it is there to see."""

from copy import deepcopy
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.soak.books import Ours, PaymentRow, RefundRow, cents_apart, double_charges, unaccounted, unsettled
from tests.soak.play import Plan, run_soak
from tests.soak.town import LEASE

SHORT = Plan(
    charges=60, old_key_charges=20, seconds_between_kills=3.0, kills_an_act=2, seed=7, forgettings=1, rougher=2.0, away=LEASE,
    between_retries=timedelta(days=4),
)  # fmt: skip
PLEDGE, PAYMENT, REFUND = uuid4(), uuid4(), uuid4()


@pytest.mark.slow
@pytest.mark.timeout(420)
async def test_no_money_is_lost_or_doubled_while_workers_are_killed_and_stripe_misbehaves_and_forgets(server: tuple[str, str]) -> None:
    report, faults = await run_soak(SHORT, server_dsn=server[0], template=server[1])
    assert (report.missed, faults) == ([], [])
    assert report.kills >= 2


def books() -> dict[str, Any]:
    """One charge of 32.00 and half of it given back, as Stripe keeps them."""
    return {
        "payment_intents": [
            {
                "id": "pi_1", "status": "succeeded", "amount_received": 3200, "latest_charge": "ch_1",
                "metadata": {"busload_reference": str(PLEDGE), "busload_purpose": "fare"},
            }
        ],
        "charges": [{"id": "ch_1", "payment_intent": "pi_1", "status": "succeeded"}],
        "refunds": [
            {"id": "re_1", "payment_intent": "pi_1", "status": "succeeded", "amount": 1600, "metadata": {"busload_refund_id": str(REFUND)}}
        ],
        "balance_transactions": [
            {"source": "ch_1", "type": "charge", "amount": 3200, "fee": 73, "currency": "eur"},
            {"source": "re_1", "type": "refund", "amount": -1600, "fee": 0, "currency": "eur"},
        ],
        "balance": {"eur": {"available": 0, "pending": 1527}},
    }  # fmt: skip


def ours(**changed: Any) -> Ours:
    """The same as our database has it."""
    payment = {
        "id": PAYMENT, "reference": PLEDGE, "purpose": "fare", "state": "succeeded", "amount_minor": 3200, "currency": "EUR",
        "intent_ref": "pi_1", "charge_ref": "ch_1", "pledge_state": "paid",
    }  # fmt: skip
    refund = RefundRow(id=REFUND, payment_id=PAYMENT, state="succeeded", amount_minor=1600, currency="EUR", refund_ref="re_1")
    cleared = {"EUR": {"charge": 3200, "charge_fee": -73, "refund": -1600}}
    return Ours(payments=[PaymentRow(**{**payment, **changed})], refunds=[refund], cleared=cleared)


def test_books_that_agree_pass() -> None:
    assert double_charges(books()) == []
    assert unaccounted(books(), ours()) == ([], 0)
    assert unsettled(ours()) == []
    assert cents_apart(books(), ours()) == {}


def test_a_second_charge_of_a_pledge_is_seen() -> None:
    twice = books()
    twice["charges"].append({**twice["charges"][0], "id": "ch_2"})
    assert double_charges(twice) == [f"pledge {PLEDGE} was charged 2 times for fare"]


def test_money_that_only_stripe_knows_of_is_seen_and_an_intent_that_moved_none_is_spare() -> None:
    more = books()
    more["payment_intents"].append({**more["payment_intents"][0], "id": "pi_2"})
    more["payment_intents"].append({**more["payment_intents"][0], "id": "pi_3", "status": "canceled", "amount_received": 0})
    more["refunds"].append({**more["refunds"][0], "id": "re_2"})
    found, spare = unaccounted(more, ours())
    assert found == [
        "intent pi_2 is succeeded and no payment knows it", f"refund {REFUND} was paid 2 times", "refund re_2 at Stripe has no row",
    ]  # fmt: skip
    assert spare == 1


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"state": "abandoned"}, "is abandoned, its intent is succeeded"),
        ({"amount_minor": 3201}, "over 3201 is 3200 at Stripe"),
        ({"charge_ref": "ch_9"}, "over 3200 is 3200 at Stripe"),
    ],
)
def test_a_row_that_differs_from_its_intent_is_seen(changed: dict[str, Any], fault: str) -> None:
    found, _ = unaccounted(books(), ours(**changed))
    assert [line.partition(" ")[2].partition(" ")[2] for line in found] == [fault]


def test_money_that_only_we_know_of_is_seen() -> None:
    nothing = {**books(), "payment_intents": [], "refunds": []}
    found, _ = unaccounted(nothing, ours())
    assert found == [
        f"payment {PAYMENT} names the intent pi_1, which Stripe does not know", f"refund {REFUND} is succeeded, at Stripe it is not there",
    ]  # fmt: skip


@pytest.mark.parametrize(("state", "pledge"), [("unknown", "confirmed"), ("succeeded", "withdrawn"), ("abandoned", "confirmed")])
def test_a_payment_that_did_not_end_as_its_pledge_is_seen(state: str, pledge: str) -> None:
    assert unsettled(ours(state=state, pledge_state=pledge))


@pytest.mark.parametrize("kind", ["charge", "charge_fee", "refund"])
def test_one_cent_is_seen_in_its_currency(kind: str) -> None:
    kept = deepcopy(ours())
    kept.cleared["EUR"][kind] += 1
    assert cents_apart(books(), kept) == {"EUR": 1}
