"""The hosted page a person meets: entering a card, being declined, approving at the bank, coming back."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest

from app.domain.payments.gateway import SetupSession
from tests.support.fake_stripe import FakeStripe

SUCCESS = "http://127.0.0.1:1/saved?session={CHECKOUT_SESSION_ID}&lang=de"
TYPED = {"number": "4242 4242 4242 4242", "expiry": "12 / 40", "cvc": "123", "name": "Ada Rider", "way": "typed"}


async def open_page(stripe: FakeStripe, *, key: str | None = None) -> SetupSession:
    return await stripe.gateway.create_setup_session(
        reference="pledge-7",
        email="ada@example.org",
        success_url=SUCCESS,
        cancel_url="http://127.0.0.1:1/back",
        expires_at=datetime.now(UTC) + timedelta(minutes=15),
        idempotency_key=key or uuid4().hex,
    )


async def test_the_page_says_nothing_is_charged_and_leads_back(stripe: FakeStripe) -> None:
    session = await open_page(stripe)
    page = await stripe.http.get(session.url)
    assert page.status_code == 200
    assert "Nothing is charged now" in page.text
    assert 'href="http://127.0.0.1:1/back"' in page.text
    assert "ada@example.org" in page.text
    assert "<script" not in page.text
    assert "style=" not in page.text
    assert "'unsafe" not in page.headers["content-security-policy"]


async def test_a_card_typed_in_is_saved_and_leads_to_the_success_page(stripe: FakeStripe) -> None:
    session = await open_page(stripe)
    answer = await stripe.http.post(session.url, data=TYPED)
    assert answer.status_code == 303
    assert answer.headers["location"] == SUCCESS.replace("{CHECKOUT_SESSION_ID}", session.id)
    outcome = await stripe.gateway.fetch_setup_session(session.id)
    assert (outcome.status, outcome.last4, outcome.exp_month, outcome.exp_year) == ("complete", "4242", 12, 2040)


async def test_a_test_card_is_one_tap(stripe: FakeStripe) -> None:
    session = await open_page(stripe)
    answer = await stripe.http.post(session.url, data={"card": "4000000000009995"})
    assert answer.status_code == 303
    assert (await stripe.gateway.fetch_setup_session(session.id)).last4 == "9995"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"number": "4242 4242 4242 4241"}, "card number is incorrect"),
        ({"expiry": "13 / 40"}, "expiration month is invalid"),
        ({"expiry": "01 / 20"}, "expiration year is invalid"),
        ({"expiry": "soon"}, "expiration month is invalid"),
        ({"number": "4000 0000 0000 0002"}, "Your card was declined."),
        ({"number": "5200 8282 8282 8210"}, "used a non test card"),
    ],
)
async def test_a_card_that_is_refused_keeps_the_page_open_with_the_reason(
    stripe: FakeStripe, change: dict[str, str], sentence: str
) -> None:
    session = await open_page(stripe)
    answer = await stripe.http.post(session.url, data={**TYPED, **change})
    assert answer.status_code == 402
    assert sentence in answer.text.replace("&#39;", "'")
    assert 'value="Ada Rider"' in answer.text
    assert (await stripe.gateway.fetch_setup_session(session.id)).status == "open"
    assert (await stripe.http.post(session.url, data=TYPED)).status_code == 303


async def test_a_session_ends_when_told_and_its_page_says_so(stripe: FakeStripe) -> None:
    session = await open_page(stripe)
    assert (await stripe.gateway.expire_session(session.id)).status == "expired"
    assert (await stripe.gateway.expire_session(session.id)).status == "expired"
    page = await stripe.http.get(session.url)
    assert page.status_code == 410
    assert "No card was saved" in page.text
    assert (await stripe.http.post(session.url, data=TYPED)).status_code == 410


async def test_a_rider_faster_than_the_end_of_the_session_wins(stripe: FakeStripe) -> None:
    session = await open_page(stripe)
    await stripe.http.post(session.url, data=TYPED)
    outcome = await stripe.gateway.expire_session(session.id)
    assert (outcome.status, outcome.setup_status) == ("complete", "succeeded")


async def test_a_session_expires_by_itself_on_the_fakes_clock(stripe: FakeStripe) -> None:
    session = await open_page(stripe)
    await stripe.stage("clock", {"advance_s": 39 * 60})
    assert (await stripe.gateway.fetch_setup_session(session.id)).status == "open"
    await stripe.stage("clock", {"advance_s": 2 * 60})
    outcome = await stripe.gateway.fetch_setup_session(session.id)
    assert (outcome.status, outcome.setup_status) == ("expired", "canceled")


async def test_a_session_asked_for_twice_under_one_key_is_one_session(stripe: FakeStripe) -> None:
    key = uuid4().hex
    assert await open_page(stripe, key=key) == await open_page(stripe, key=key)


async def test_the_bank_asks_and_leads_back_with_the_outcome(stripe: FakeStripe) -> None:
    card = await stripe.saved_card("4000002760003184")
    waiting = await stripe.confirm(await stripe.intent(card, amount_minor=3205), card, off_session=False)
    assert waiting.action_url is not None
    page = await stripe.http.get(waiting.action_url)
    assert "Approve EUR 32.05?" in page.text
    assert "3184" in page.text
    answer = await stripe.http.post(waiting.action_url, data={"decision": "approve"})
    back = urlsplit(answer.headers["location"])
    assert (back.path, parse_qs(back.query)["redirect_status"]) == ("/approved", ["succeeded"])
    assert parse_qs(back.query)["payment_intent"] == [waiting.ref]
    again = await stripe.http.get(waiting.action_url)
    assert "Nothing to approve" in again.text


async def test_refusing_at_the_bank_leads_back_with_that(stripe: FakeStripe) -> None:
    card = await stripe.saved_card("4000002760003184")
    waiting = await stripe.confirm(await stripe.intent(card), card, off_session=False)
    assert waiting.action_url is not None
    answer = await stripe.http.post(waiting.action_url, data={"decision": "refuse"})
    assert "redirect_status=failed" in answer.headers["location"]


async def test_a_bank_may_ask_when_the_card_is_saved(stripe: FakeStripe) -> None:
    session = await open_page(stripe)
    asked = await stripe.http.post(session.url, data={"card": "4000000000003220"})
    assert "/c/approve/seti_" in asked.headers["location"]
    back = await stripe.http.post(asked.headers["location"], data={"decision": "approve"})
    done = await stripe.http.get(back.headers["location"])
    assert done.headers["location"] == SUCCESS.replace("{CHECKOUT_SESSION_ID}", session.id)


async def test_a_page_nobody_knows_is_not_found(stripe: FakeStripe) -> None:
    for path in ("/c/pay/cs_test_x", "/c/approve/pi_x", "/c/receipt/ch_x"):
        page = await stripe.http.get(path)
        assert page.status_code == 404
        assert "not available" in page.text


async def test_a_machine_learns_of_a_decline_without_a_page(stripe: FakeStripe) -> None:
    session = await open_page(stripe)
    answer = await stripe.stage(f"sessions/{session.id}/complete", {"card": "4000000000000002"})
    assert (answer["status"], answer["error"]["code"], answer["redirect_url"]) == ("open", "card_declined", None)
    answer = await stripe.stage(f"sessions/{session.id}/complete", {"card": "4242424242424242"})
    assert answer["redirect_url"] == SUCCESS.replace("{CHECKOUT_SESSION_ID}", session.id)


async def test_the_control_room_refuses_what_it_does_not_know(stripe: FakeStripe) -> None:
    for path, body in (
        ("faults", {"rates": {"server_error_rat": 1}}),
        ("faults", {"rates": {"server_error_rate": 2}}),
        ("clock", {"advance_s": 1, "offset_s": 1}),
        ("clock", {"later": 1}),
    ):
        answer = await stripe.http.post(f"/_stage/{path}", json=body)
        assert answer.status_code == httpx.codes.BAD_REQUEST
        assert answer.json()["error"]


async def test_a_page_asked_for_again_much_later_opens_though_the_first_answer_was_lost(stripe: FakeStripe) -> None:
    key, now = uuid4().hex, datetime.now(UTC)

    async def ask(expires_at: datetime) -> str:
        page = await stripe.gateway.create_setup_session(
            reference="pledge-late", email="late@example.org", success_url="http://127.0.0.1:1/ok?session={CHECKOUT_SESSION_ID}",
            cancel_url="http://127.0.0.1:1/back", expires_at=expires_at, idempotency_key=key,
        )  # fmt: skip
        return page.id

    first = await ask(now + timedelta(minutes=31))
    assert await ask(now + timedelta(minutes=33)) == first
    assert await ask(now + timedelta(minutes=90)) != first
