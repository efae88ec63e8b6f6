"""Cancelling a trip over HTTP moves money: its key has one effect."""

from tests.support.service import Service


async def test_cancelling_refunds_every_charge_once_and_its_key_belongs_to_it(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=2)
    placed = [await service.pledged(trip) for _ in range(2)]
    await service.work("charge_payment")
    path, body, key = f"/api/trips/{trip['id']}/cancel", {"reason": "The road is closed."}, {"Idempotency-Key": "cancel-1"}

    assert (await service.organiser.post(path, json=body)).json()["code"] == "idempotency_key_missing"
    first = await service.organiser.post(path, json=body, headers=key)
    again = await service.organiser.post(path, json=body, headers=key)
    other = await service.organiser.post(path, json={"reason": "No."}, headers=key)

    assert (first.status_code, first.json()["state"]) == (200, "cancelled")
    assert again.json() == first.json()
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    await service.work("send_refund")
    for pledge in placed:
        now = await service.show(pledge)
        assert now["state"] == "refunded"
        assert [(r["state"], r["amount_minor"]) for r in now["refunds"]] == [("succeeded", 3200)]


async def test_only_organisers_cancel(service: Service) -> None:
    trip = await service.trip(await service.event())
    answer = await service.http.post(f"/api/trips/{trip['id']}/cancel", json={"reason": "x"}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_needed")


async def test_pages_of_a_cancelled_event_promise_the_way_home_only_where_somebody_has_set_out(service: Service) -> None:
    calm, out = [await service.event(name=name) for name in ("Calm", "Out")]
    trip = await service.trip(out, minimum=1)
    await service.pledged(trip)
    for state in ("allocated", "departed"):
        await service.pool.execute("UPDATE trips SET state = $1", state)
    for event in (calm, out):
        cancelling = await service.organiser.post(
            f"/api/events/{event['id']}/cancel", json={"reason": "Storm."}, headers={"Idempotency-Key": event["id"]}
        )
        assert cancelling.status_code == 200, cancelling.text
        code = event["code"]
        for page in (await service.http.get(f"/e/{code}"), await service.organiser.get(f"/organiser/events/{code}")):
            assert page.status_code == 200
            assert "This event is cancelled" in page.text
            assert ("brought home" in page.text) == (event is out)
