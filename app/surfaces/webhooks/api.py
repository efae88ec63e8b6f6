"""Stripe's webhook: checked over the raw body, stored by event id, answered; the worker draws the consequences."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, post
from litestar.di import NamedDependency

from app.core.database import Pool
from app.core.errors import Refusal
from app.core.log import logger
from app.domain.payments.gateway import PaymentGateway, SignatureInvalid
from app.flows.stripe_news import store_event
from app.settings import Settings

log = logger(__name__)
TOLERANCE_S = 300


class WebhookSignatureInvalid(Refusal):
    """The message is not Stripe's, was altered, or is older than the tolerance."""

    code = "webhook_signature_invalid"
    status = 400
    title = "The signature does not hold"


@post("/api/stripe/webhook", status_code=200, tags=["webhooks"])
async def receive(
    request: Request[Any, Any, Any],
    pool: NamedDependency[Pool],
    gateway: NamedDependency[PaymentGateway],
    settings: NamedDependency[Settings],
) -> Response[dict[str, bool]]:
    """Stripe's events, signed with BUSLOAD's endpoint secret. A second copy of an event is 200 as well and changes nothing."""
    signature = request.headers.get("stripe-signature", "")
    now = datetime.now(UTC)  # the sender's clock is the real one, whatever a demo's domain time is
    try:
        event = await gateway.verify_webhook(await request.body(), signature, settings.stripe_webhook_secret, now, TOLERANCE_S)
    except SignatureInvalid:
        raise WebhookSignatureInvalid(
            "The Stripe-Signature header is missing, wrong or older than 5 minutes. Check the endpoint's signing secret and your clock."
        ) from None
    is_new = await store_event(pool, event)
    log.info("stripe_event.received", event_id=event.id, type=event.type, is_new=is_new)
    return Response({"received": True})


ROUTES = [receive]
