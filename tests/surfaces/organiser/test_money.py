"""An event's money: by trip and by day, failed cards in their window, the ledger from a balance down to one movement; and as CSV."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

from tests.support.riders import DECLINED
from tests.support.service import Service


async def sold(service: Service) -> dict[str, Any]:
    """Two trips: one with two charges and a card that fails, one cancelled after its charge."""
    event = await service.event()
    trip = await service.trip(event, minimum=2)
    for card in ("4242424242424242", "5555555555554444", DECLINED):
        await service.pledged(trip, card=card)
    other = await service.trip(event, minimum=1, origin="Philadelphia")
    await service.pledged(other, seats=2)
    await service.work("charge_payment")
    await service.organiser.post(f"/api/trips/{other['id']}/cancel", json={"reason": "no bus"}, headers={"Idempotency-Key": "c"})
    await service.work("send_refund")
    return event


async def read(service: Service, path: str, **params: Any) -> Any:
    answer = await service.organiser.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


async def test_an_events_money_is_told_by_trip_by_day_and_by_card(service: Service) -> None:
    event = await sold(service)
    money = await read(service, f"/api/organiser/events/{event['id']}/money")
    assert (money["taken_minor"], money["owed_minor"], money["refunded_minor"], money["paid_out_minor"]) == (12800, 3200, 6400, 0)
    by_origin = {row["origin"]: row for row in money["trips"]}
    assert (by_origin["Baltimore"]["taken_minor"], by_origin["Baltimore"]["owed_minor"], by_origin["Baltimore"]["failing"]) == (
        6400,
        3200,
        1,
    )
    assert (by_origin["Philadelphia"]["taken_minor"], by_origin["Philadelphia"]["refunded_minor"]) == (6400, 6400)
    taken, back, owed = ([day[name] for day in money["days"]] for name in ("taken_minor", "refunded_minor", "owed_minor"))
    assert (sum(taken), sum(back), owed[0]) == (12800, 6400, 6400), "the newest day first; what riders are still owed at its end"
    (card,) = money["failed_cards"]
    assert (card["state"], card["why"], card["attempts"], card["amount_minor"]) == ("retryable", "The bank said no", 1, 3200)
    assert datetime.now(UTC) < datetime.fromisoformat(card["next_attempt_at"]) < datetime.fromisoformat(card["collect_until"])
    assert 0 <= card["through"] <= 1
    assert sum(row["amount_minor"] for row in money["balances"]) == 0

    base = f"/organiser/events/{event['code']}"
    for path in ("/organiser/money", f"{base}/money", f"{base}/ledger"):
        assert (await service.organiser.get(path)).status_code == 200
    rows = {
        name: table((await service.organiser.get(f"{base}/money/{name}.csv")).text)
        for name in ("trips", "days", "failed-cards", "refunds", "disputes")
    }
    assert {row["origin"]: row["taken_minor"] for row in rows["trips"]} == {"Baltimore": "6400", "Philadelphia": "6400"}
    assert sum(int(row["refunded_minor"]) for row in rows["days"]) == 6400
    assert [row["pledge"] for row in rows["failed-cards"]] == [card["code"]]
    assert (rows["refunds"], rows["disputes"]) == ([], [])
    assert (await service.organiser.get(f"{base}/money/everything.csv")).status_code == 404
    ledger = table((await service.organiser.get(f"{base}/money.csv")).text)
    assert sum(int(row["amount_minor"]) for row in ledger) == 0
    assert len(ledger) == 14


async def test_the_ledger_is_read_from_a_balance_down_to_one_movement_with_its_cause(service: Service) -> None:
    event = await sold(service)
    path = f"/api/organiser/events/{event['id']}/ledger"
    whole = (await read(service, path, limit=100))["items"]
    assert len(whole) == 14
    paged, cursor = [], None
    while True:
        found = await read(service, path, limit=4, **({"cursor": cursor} if cursor else {}))
        paged += found["items"]
        cursor = found["next"]
        if cursor is None:
            break
    assert paged == whole
    fares = (await read(service, path, account="riders:fares"))["items"]
    assert sum(one["amount_minor"] for one in fares) == -6400
    assert (await service.organiser.get(path, params={"cursor": "no"})).status_code == 422
    assert (await service.organiser.get(path, params={"limit": 0})).status_code == 422

    refund = next(one for one in fares if one["kind"] == "refund")
    movement = await read(service, f"/api/organiser/ledger/{refund['transaction_id']}")
    assert [one["amount_minor"] for one in movement["entries"]] == [6400, -6400]
    assert movement["external_ref"].startswith("re_")
    assert (movement["event_code"], movement["pledge_code"] is not None, movement["payment_id"] is not None) == (event["code"], True, True)
    assert [(line["machine"], line["to_state"]) for line in movement["trail"] if line["machine"] == "refund"] == [
        ("refund", "due"), ("refund", "submitting"), ("refund", "succeeded"),
    ]  # fmt: skip
    charge = next(one for one in fares if one["kind"] == "charge")
    movement = await read(service, f"/api/organiser/ledger/{charge['transaction_id']}")
    assert [one["kind"] for one in movement["companions"]] == ["charge_fee"]
    page = await service.organiser.get(f"/organiser/ledger/{charge['transaction_id']}")
    assert movement["pledge_code"] in page.text
    assert (await service.organiser.get("/api/organiser/ledger/00000000-0000-7000-8000-000000000000")).status_code == 404
