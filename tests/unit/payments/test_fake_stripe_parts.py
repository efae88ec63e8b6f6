"""The small parts of the fake Stripe by themselves."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from app.stage.fake_stripe.books import Books
from app.stage.fake_stripe.call import ListParams
from app.stage.fake_stripe.cards import HABITS, luhn_holds, plain_card
from app.stage.fake_stripe.endpoints.paying import NewPaymentIntent
from app.stage.fake_stripe.endpoints.saving_cards import NewSession
from app.stage.fake_stripe.faults import Chaos, Fault, Rates, SingleFault
from app.stage.fake_stripe.forms import parse_form, typed
from app.stage.fake_stripe.limits import Limits
from app.stage.fake_stripe.model import Customer, PaymentIntent
from app.stage.fake_stripe.pages import money, with_query
from app.stage.fake_stripe.refusals import Refusal


def test_a_form_nests_as_stripe_encodes_it() -> None:
    assert parse_form("a=1&b[c]=2&b[d][e]=3&f[0]=x&f[1]=y&g[]=z&h=") == {
        "a": "1",
        "b": {"c": "2", "d": {"e": "3"}},
        "f": ["x", "y"],
        "g": ["z"],
        "h": "",
    }


def test_a_form_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(Refusal):
        parse_form("a=1&a[b]=2")


@given(st.text(max_size=60))
def test_no_form_breaks_the_parser(encoded: str) -> None:
    with suppress(Refusal):
        assert isinstance(parse_form(encoded), dict)


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ("amount=100&currency=eur&ammount=1", "parameter_unknown", "ammount"),
        ("currency=eur", "parameter_missing", "amount"),
        ("amount=ten&currency=eur", "parameter_invalid_integer", "amount"),
    ],
)
def test_wrong_parameters_are_named(form: str, code: str, param: str) -> None:
    with pytest.raises(Refusal) as refusal:
        typed(parse_form(form), NewPaymentIntent)
    assert (refusal.value.error["code"], refusal.value.error["param"]) == (code, param)


def test_a_wrong_parameter_deep_inside_is_named_with_its_path() -> None:
    with pytest.raises(Refusal) as refusal:
        typed(parse_form("mode=setup&success_url=x&setup_intent_data[usage]=off"), NewSession)
    assert refusal.value.error["param"] == "setup_intent_data[usage]"


def test_every_test_card_is_a_possible_card() -> None:
    for number in HABITS:
        assert luhn_holds(number)
        assert plain_card(number, 1_800_000_000).last4 == number[-4:]


@given(st.integers(min_value=0, max_value=10**15 - 1))
def test_exactly_one_check_digit_fits(body: int) -> None:
    digits = f"{body:015d}"
    assert sum(luhn_holds(f"{digits}{last}") for last in range(10)) == 1


def test_the_limits_are_25_an_endpoint_and_100_in_all_each_second() -> None:
    limits = Limits(account_per_s=100, endpoint_per_s=25)
    passed = [limits.reason_to_refuse(f"endpoint-{number % 5}", 1000.0) for number in range(150)]
    assert passed.count(None) == 100
    assert passed[100:] == ["global-rate"] * 25 + ["endpoint-rate"] * 25
    assert [limits.reason_to_refuse("one", 1001.0) for _ in range(26)].count("endpoint-rate") == 1


def test_a_single_fault_strikes_once_after_those_it_skips() -> None:
    chaos = Chaos(Rates(), seed=1)
    chaos.waiting.append(SingleFault(endpoint="POST /v1/refunds", fault=Fault.LOST_REPLY, skip=1))
    struck = [chaos.fault_for(name) for name in ("POST /v1/refunds", "POST /v1/customers", "POST /v1/refunds", "POST /v1/refunds")]
    assert struck == [None, None, "lost_reply", None]


def test_reads_are_spared_unless_named() -> None:
    chaos = Chaos(Rates(server_error_rate=1.0), seed=1)
    assert chaos.fault_for("GET /v1/events") is None
    chaos.rates = Rates(server_error_rate=1.0, endpoints=("GET /v1/events",))
    assert chaos.fault_for("GET /v1/events") == "server_error"
    assert chaos.fault_for("POST /v1/refunds") is None


def customer(number: int) -> Customer:
    return Customer(id=f"cus_{number}", created=number, email=None, name=None, description=None, metadata={})


def pages(books: Books, **cursor: Any) -> tuple[list[str], bool]:
    params = {"limit": 3, "after": None, "before": None, **cursor}
    rows, more = books.page(Customer, lambda row: row.created % 2 == 0, wanted={}, **params)
    return [row.id for row in rows], more


def test_pages_walk_a_list_both_ways() -> None:
    books = Books(None)
    for number in range(10):
        books.put(customer(number))
    assert pages(books) == (["cus_8", "cus_6", "cus_4"], True)
    assert pages(books, after="cus_4") == (["cus_2", "cus_0"], False)
    assert pages(books, before="cus_0") == (["cus_6", "cus_4", "cus_2"], True)
    assert pages(books, before="cus_6") == (["cus_8"], False)
    assert pages(books, after="cus_5") == (["cus_4", "cus_2", "cus_0"], False)


def test_a_journal_gives_back_the_last_state_of_every_record(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    first = Books(path)
    first.put(customer(1))
    first.put(customer(2))
    first.commit()
    first.put(Customer(id="cus_1", created=1, email="new@example.org", name=None, description=None, metadata={"a": "b"}))
    first.commit()
    first.put(customer(3))  # never committed
    again = Books(path)
    assert [row.id for row in again.newest_first(Customer)] == ["cus_2", "cus_1"]
    found = again.get(Customer, "cus_1")
    assert found is not None
    assert (found.email, found.metadata) == ("new@example.org", {"a": "b"})
    assert again.get(PaymentIntent, "pi_1") is None


def test_a_limit_of_a_page_is_a_number() -> None:
    with pytest.raises(Refusal):
        typed(parse_form("limit=all"), ListParams)


def test_money_and_addresses_are_written_plainly() -> None:
    assert (money(3205, "eur"), money(3205, "jpy")) == ("EUR 32.05", "JPY 3205")
    assert with_query("http://x/y?a=1#z", {"b": "2 3"}) == "http://x/y?a=1&b=2+3#z"
