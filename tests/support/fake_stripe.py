"""A fake Stripe process for a test, with the gateway that talks to it and its control room."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from app.domain.payments.gateway import IntentState, SetupOutcome
from app.domain.payments.stripe_gateway import StripeGateway
from app.stage.ports import free_port
from app.stage.processes import Child, Role

API_KEY = "sk_test_fake"
WEBHOOK_SECRET = "whsec_test"


class FakeStripe:
    """One running fake. `gateway` is the real SDK against it; `stage` posts to its control room."""

    def __init__(self, child: Child, url: str, journal: Path) -> None:
        self.child = child
        self.journal = journal
        self.url = url
        self.gateway = StripeGateway(api_key=API_KEY, base_url=url, timeout_s=10.0)
        self.http = httpx.AsyncClient(base_url=url, trust_env=False, timeout=10.0)

    async def stage(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """POST when there is a body, else GET; the JSON answer."""
        answer = await (self.http.get(f"/_stage/{path}") if body is None else self.http.post(f"/_stage/{path}", json=body))
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def fault(self, endpoint: str, fault: str, *, skip: int = 0) -> None:
        """Let the next request to the endpoint go wrong."""
        await self.stage("faults", {"once": [{"endpoint": endpoint, "fault": fault, "skip": skip}]})

    async def books(self) -> dict[str, Any]:
        return await self.stage("books")

    async def saved_card(self, number: str = "4242424242424242", **card: Any) -> SetupOutcome:
        """A rider's saved card, through the hosted page's machine way."""
        session = await self.gateway.create_setup_session(
            reference="pledge-1",
            email="rider@example.org",
            success_url="http://127.0.0.1:1/ok?session={CHECKOUT_SESSION_ID}",
            cancel_url="http://127.0.0.1:1/back",
            expires_at=datetime.now(UTC) + timedelta(minutes=15),
            idempotency_key=uuid4().hex,
        )
        await self.stage(f"sessions/{session.id}/complete", {"card": number, **card})
        return await self.gateway.fetch_setup_session(session.id)

    async def intent(
        self, card: SetupOutcome, *, amount_minor: int = 3200, payment_id: str = "pay-1", key: str | None = None
    ) -> IntentState:
        """An unconfirmed payment on a saved card."""
        assert card.customer_ref is not None
        assert card.payment_method_ref is not None
        return await self.gateway.create_payment_intent(
            payment_id=payment_id,
            customer_ref=card.customer_ref,
            payment_method_ref=card.payment_method_ref,
            amount_minor=amount_minor,
            currency="eur",
            description="Seat to the match",
            metadata={"trip": "t-1"},
            idempotency_key=key or uuid4().hex,
        )

    async def charge(self, card: SetupOutcome, **wanted: Any) -> IntentState:
        """Create and confirm off-session."""
        return await self.confirm(await self.intent(card, **wanted), card)

    async def confirm(self, intent: IntentState, card: SetupOutcome, *, off_session: bool = True, key: str | None = None) -> IntentState:
        assert card.payment_method_ref is not None
        return await self.gateway.confirm_payment_intent(
            intent.ref,
            payment_method_ref=card.payment_method_ref,
            off_session=off_session,
            return_url=None if off_session else "http://127.0.0.1:1/approved",
            idempotency_key=key or uuid4().hex,
        )


@contextlib.asynccontextmanager
async def fake_stripe(folder: Path, *options: str) -> AsyncIterator[FakeStripe]:
    """A fake Stripe with its journal in `folder`, ended with the block."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    journal = folder / "stripe.journal"
    arguments = ("--port", str(port), "--state", str(journal), *options)
    child = Child(
        Role(name="fake-stripe", module="app.stage.fake_stripe", arguments=arguments, ready_url=f"{url}/_stage/ready"), log_folder=folder
    )
    await child.start()
    fake = FakeStripe(child, url, journal)
    try:
        yield fake
    finally:
        await fake.gateway.aclose()
        await fake.http.aclose()
        await child.stop()
