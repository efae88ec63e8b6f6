"""The refund ladder in the organiser's forms: a line each, faults beside the field, frozen once a trip has opened."""

from app.surfaces.organiser.forms import read_ladder, write_ladder
from tests.support.service import Service, event_wish


async def test_the_form_sets_the_ladder_until_a_trip_opens_and_says_what_is_wrong(service: Service) -> None:
    event = await service.event()
    page = f"/organiser/events/{event['code']}"
    assert "14 days: 100" in (await service.organiser.get(page)).text
    form = {"_csrf_token": service.organiser.cookies["busload_csrf"]}
    for typed, fault in (
        ("two weeks: all of it", "Write a step as 14 days: 100, 36 hours: 50 or booking close: 25"),
        ("7 days: 50\n14 days: 100", "Each step must end later than the one before it and give back less."),
        ("14 days: 120", "A step gives back more than 0 and at most 100 percent."),
    ):
        answer = await service.organiser.post(f"{page}/refund-ladder", data={**form, "refund_ladder": typed})
        assert (answer.status_code, fault in answer.text, typed.splitlines()[0] in answer.text) == (422, True, True), typed
    saved = await service.organiser.post(f"{page}/refund-ladder", data={**form, "refund_ladder": "36 hours: 80\nbooking close: 12.5"})
    assert saved.status_code == 303
    trip = await service.trip(event)
    shown = (await service.http.get(f"/api/trips/{trip['id']}")).json()["refund_ladder"]
    assert [(step["refund_bp"], step["amount_minor"]) for step in shown] == [(8000, 2560)], "booking closes before the second step"
    assert "frozen since the first trip opened" in (await service.organiser.get(page)).text
    late = await service.organiser.post(f"{page}/refund-ladder", data={**form, "refund_ladder": "none"})
    assert (late.status_code, "The refund ladder is frozen" in late.text) == (409, True)


async def test_a_new_event_takes_its_ladder_from_the_form(service: Service) -> None:
    await service.organiser.get("/organiser/events/new")
    local = {name: value[:16] for name, value in event_wish().items() if name.endswith(("_at", "_by"))}
    text = {name: str(value) for name, value in event_wish().items()}
    form = {**text, **local, "_csrf_token": service.organiser.cookies["busload_csrf"], "refund_ladder": "10 days: 40"}
    answer = await service.organiser.post("/organiser/events/new", data=form)
    assert answer.status_code == 303, answer.text
    assert "10 days: 40" in (await service.organiser.get(answer.headers["location"])).text


def test_a_ladder_is_written_as_it_is_read() -> None:
    for ladder in ([], [(336, 10_000), (168, 5_000), (0, 2_500)], [(36, 1_250)]):
        assert read_ladder(write_ladder(ladder)) == ladder
