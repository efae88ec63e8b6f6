"""A charge that nobody wants any more is closed at Stripe, and its row still says which intent was its own."""

from datetime import timedelta
from uuid import UUID

from app.flows.cancel_trip import cancel_trip
from tests.support.riders import later, payments, tipped
from tests.support.service import Service

CREATE = "POST /v1/payment_intents"


async def test_an_intent_whose_creation_was_not_answered_is_cancelled_and_kept_when_its_trip_is_cancelled(service: Service) -> None:
    trip, placed = await tipped(service)
    await service.stripe.fault(CREATE, "lost_reply")
    await service.work("charge_payment")
    await cancel_trip(service.pool, UUID(trip["id"]), actor="organiser", reason="no bus")
    await later(service, timedelta(seconds=61))
    (payment,) = await payments(service, placed)
    assert payment.state == "void"
    (intent,) = [
        one
        for one in (await service.stripe.books())["payment_intents"]
        if one["metadata"].get("busload_reference") == placed["pledge"]["id"]
    ]
    assert (intent["id"], intent["status"]) == (payment.intent_ref, "canceled")
