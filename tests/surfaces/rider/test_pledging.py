"""From a pledge to a confirmed trip and a charged card, over HTTP."""

from tests.support.service import Service


async def test_the_pledge_that_reaches_the_minimum_confirms_the_trip_and_every_card_is_charged(service: Service) -> None:
    event = await service.event()
    trip = await service.trip(event, minimum=3)
    first = await service.pledged(trip, seats=2)
    assert (await service.trip_now(trip))["state"] == "open"
    assert (await service.show(first))["state"] == "active"

    last = await service.pledged(trip)

    now = await service.trip_now(trip)
    assert (now["state"], now["secured"], now["held"]) == ("confirmed", 3, 0)
    await service.work("charge_payment")
    for placed, amount_minor in ((first, 6400), (last, 3200)):
        pledge = await service.show(placed)
        assert pledge["state"] == "paid"
        assert [(c["state"], c["amount_minor"]) for c in pledge["charges"]] == [("succeeded", amount_minor)]


async def test_a_mail_tells_of_the_pledge_with_a_link_that_opens_it(service: Service) -> None:
    trip = await service.trip(await service.event())
    placed = (await service.pledge(trip, name="Grace")).json()
    await service.work("send_mail")
    text = service.postbox.messages[0].get_body(("plain",)).get_content()
    assert placed["manage_url"] in text
    assert "Grace" in text
