"""The hosted pages a person meets: entering a card, approving at the bank, onboarding an operator. No script, no inline style."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.stage.fake_stripe import charging, paying_out, saving
from app.stage.fake_stripe.cards import plain_card, read_card
from app.stage.fake_stripe.model import Account, Card, Charge, PaymentIntent, PaymentMethod, Session, SetupIntent
from app.stage.fake_stripe.refusals import Refusal
from app.stage.fake_stripe.world import World

TEMPLATES = Path(__file__).parent / "templates"
EXPIRY = re.compile(r"\s*(?P<month>\d{1,2})\s*/?\s*(?P<year>\d{4}|\d{2})\s*")
CENTURY = 2000
WHOLE_UNITS = {"jpy", "krw", "vnd", "clp", "isk"}


class TestCard(msgspec.Struct, frozen=True, kw_only=True):
    """A one-tap button. `tone` is good, ask or bad."""

    number: str
    spaced: str
    means: str
    tone: str


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed into the form, to show it again with an error. Never the CVC."""

    number: str = ""
    expiry: str = ""
    name: str = ""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A page, or a redirect to `location`."""

    status: int
    html: str = ""
    location: str | None = None


def _test_card(number: str, tone: str, means: str) -> TestCard:
    spaced = " ".join(number[place : place + 4] for place in range(0, len(number), 4))
    return TestCard(number=number, spaced=spaced, means=means, tone=tone)


TEST_CARDS = (
    _test_card("4242424242424242", "good", "Works"),
    _test_card("4000002500003155", "ask", "The bank asks at the first charge"),
    _test_card("4000002760003184", "ask", "The bank asks at every charge"),
    _test_card("4000000000000341", "bad", "Saves, then declines when charged"),
    _test_card("4000000000009995", "bad", "Saves, then has insufficient funds"),
    _test_card("4000000000000002", "bad", "Declined when saved"),
)


class Pages:
    """Shows and answers the hosted pages of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._jinja = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )

    def show_session(self, session_id: str) -> Shown:
        """The card page, or where a finished session leads."""
        session = self._session(session_id)
        intent = self._world.need(SetupIntent, session.setup_intent, "setupintent", param="setup_intent")
        error = intent.last_error.message if intent.last_error else None
        return self._session_page(session, intent, error=error, typed=Typed())

    def enter_card(self, session_id: str, form: dict[str, str]) -> Shown:
        """A card typed in (`number`, `expiry`, `cvc`, `name`) or tapped (`card`)."""
        session, error = self._session(session_id), None
        typed = Typed(number=form.get("number", ""), expiry=form.get("expiry", ""), name=form.get("name", ""))
        if session.status == "open":
            try:
                card = self._card(form)
                saving.enter_card(self._world, session, card, name=typed.name or None, email=session.customer_email)
            except Refusal as refusal:
                error = str(refusal)
        session = self._session(session_id)
        intent = self._world.need(SetupIntent, session.setup_intent, "setupintent", param="setup_intent")
        return self._session_page(session, intent, error=error, typed=typed)

    def show_approval(self, intent_id: str) -> Shown:
        """The bank's question for a payment or for saving a card."""
        intent = self._intent(intent_id)
        method = self._world.books.get(PaymentMethod, intent.payment_method or "")
        if intent.status != "requires_action" or method is None:
            return self._notice(200, "Nothing to approve", "This was already answered, or the payment has changed since.")
        payment = isinstance(intent, PaymentIntent)
        amount = money(intent.amount, intent.currency) if isinstance(intent, PaymentIntent) else None
        html = self._jinja.get_template("approve.html").render(
            amount=amount, last4=method.card.last4, description=intent.description if payment else None
        )
        return Shown(status=200, html=html)

    def decide(self, intent_id: str, *, approved: bool) -> Shown:
        """Back to the return_url with the outcome, as the real one does it."""
        intent = self._intent(intent_id)
        return_url = intent.next_action_return_url
        if intent.status != "requires_action" or return_url is None:
            return self.show_approval(intent_id)
        decided: PaymentIntent | SetupIntent
        if isinstance(intent, PaymentIntent):
            kind, decided = "payment_intent", charging.decide(self._world, intent, approved=approved)
        else:
            kind, decided = "setup_intent", saving.decide(self._world, intent, approved=approved)
        outcome = "succeeded" if decided.status == "succeeded" else "failed"
        secret = f"{intent.id}_secret_{intent.id[-12:]}"
        return _to(with_query(return_url, {kind: intent.id, f"{kind}_client_secret": secret, "redirect_status": outcome}))

    def onboard(self, account_id: str, return_url: str) -> Shown:
        """Onboarding in one step: the account is enabled."""
        account = self._world.need(Account, account_id, "account", param="account", in_path=True)
        paying_out.enable(self._world, account)
        return _to(return_url) if return_url else self._notice(200, "Account ready", "Transfers to this account are enabled.")

    def show_receipt(self, charge_id: str) -> Shown:
        charge = self._world.need(Charge, charge_id, "charge", param="charge", in_path=True)
        text = f"Paid {datetime.fromtimestamp(charge.created, UTC):%d %B %Y}. {charge.description or ''}"
        if charge.amount_refunded:
            text += f" Refunded: {money(charge.amount_refunded, charge.currency)}."
        return self._notice(200, f"Receipt for {money(charge.amount, charge.currency)}", text)

    def refused(self, refusal: Refusal) -> Shown:
        return self._notice(refusal.status, "This page is not available", str(refusal))

    def _session_page(self, session: Session, intent: SetupIntent, *, error: str | None, typed: Typed) -> Shown:
        if session.status == "complete":
            return _to(session.success_url.replace("{CHECKOUT_SESSION_ID}", session.id))
        if session.status == "expired":
            link = session.cancel_url
            return self._notice(410, "This page has expired", "No card was saved and nothing was charged.", link=link)
        if intent.status == "requires_action":
            return _to(f"{self._world.terms.public_url}/c/approve/{intent.id}")
        html = self._jinja.get_template("pay.html").render(
            cancel_url=session.cancel_url,
            email=session.customer_email,
            expires_at=datetime.fromtimestamp(session.expires_at, UTC),
            error=error,
            typed=typed,
            test_cards=TEST_CARDS,
        )
        return Shown(status=402 if error else 200, html=html)

    def _card(self, form: dict[str, str]) -> Card:
        now_s = self._world.clock.now_s()
        if number := form.get("card"):
            return plain_card(number, now_s)
        found = EXPIRY.fullmatch(form.get("expiry", ""))
        year = int(found["year"]) if found else 0
        return read_card(
            number=form.get("number", ""),
            exp_month=int(found["month"]) if found else 0,
            exp_year=year if year >= CENTURY else CENTURY + year,
            now=datetime.fromtimestamp(now_s, UTC),
        )

    def _session(self, session_id: str) -> Session:
        found = self._world.need(Session, session_id, "checkout.session", param="session", in_path=True)
        return saving.refresh(self._world, found)

    def _intent(self, intent_id: str) -> PaymentIntent | SetupIntent:
        if intent_id.startswith("seti_"):
            return self._world.need(SetupIntent, intent_id, "setupintent", param="intent", in_path=True)
        return self._world.need(PaymentIntent, intent_id, "payment_intent", param="intent", in_path=True)

    def _notice(self, status: int, heading: str, text: str, *, link: str | None = None) -> Shown:
        values: dict[str, Any] = {"heading": heading, "text": text, "link": link, "link_text": "Back to Busload"}
        return Shown(status=status, html=self._jinja.get_template("notice.html").render(**values))


def money(amount_minor: int, currency: str) -> str:
    """`EUR 32.00`."""
    code = currency.upper()
    return f"{code} {amount_minor}" if currency in WHOLE_UNITS else f"{code} {amount_minor // 100}.{amount_minor % 100:02d}"


def with_query(url: str, values: dict[str, str]) -> str:
    """The URL with more query parameters."""
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, urlencode(values)) if part)
    return urlunsplit(parts._replace(query=query))


def _to(location: str) -> Shown:
    return Shown(status=303, location=location)
