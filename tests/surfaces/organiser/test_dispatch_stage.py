"""The one word for where dispatch stands, while charges under way hold up the planning."""

from tests.support.service import Service


async def test_an_event_is_closing_until_its_booking_close_has_gone_through(service: Service) -> None:
    event = await service.event()
    trip = await service.trip(event, minimum=1)
    placed = await service.pledged(trip)
    assert (await service.show(placed))["state"] == "confirmed"
    dispatch = f"/api/events/{event['id']}/dispatch"
    assert (await service.organiser.post(dispatch)).json()["stage"] == "closing"
    await service.work("charge_payment")
    assert (await service.show(placed))["state"] == "paid"
    assert (await service.organiser.get(dispatch)).json()["stage"] == "closing"  # paid, and the close has not come back yet
    await service.pool.execute("UPDATE timers SET due_at = busload_now() WHERE kind = 'booking_close'")
    await service.sweep()
    assert (await service.organiser.get(dispatch)).json()["stage"] == "planning"
