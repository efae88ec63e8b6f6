from datetime import timedelta

import httpx

from app.core.clock import shift_clock
from app.surfaces.driver.pages import kept_urls
from tests.support.day_service import Day

PAGE = {"Accept": "text/html"}


async def test_the_page_is_complete_without_javascript(day: Day, nobody: httpx.AsyncClient) -> None:
    answer = await nobody.get(f"/d/{day.token}", headers=PAGE)
    assert answer.status_code == 200, answer.text
    for words in ("Union Station", "225 S Canal St", "Ada Lovelace", "Folding wheelchair, needs the lift", "BUS 101", "+1 202 555 0100"):
        assert words in answer.text


async def test_the_page_holds_to_the_strict_policy(day: Day, nobody: httpx.AsyncClient) -> None:
    answer = await nobody.get(f"/d/{day.token}", headers=PAGE)
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert " style=" not in answer.text
    assert "<style" not in answer.text
    assert all("src=" in part.split(">", 1)[0] for part in answer.text.split("<script")[1:])
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_everything_the_phone_keeps_is_there(day: Day, nobody: httpx.AsyncClient) -> None:
    for address in (*kept_urls(), "/d/sw.js", f"/d/{day.token}/app.webmanifest"):
        answer = await nobody.get(address)
        assert answer.status_code == 200, address


async def test_only_the_current_version_of_a_file_is_served_and_nothing_else(day: Day, nobody: httpx.AsyncClient) -> None:
    address = kept_urls()[0]
    version = address.split("/")[3]
    assert (await nobody.get(address.replace(version, "0" * 12))).status_code == 404
    assert (await nobody.get(f"/d/static/{version}/..%2Fpages.py")).status_code == 404


async def test_the_sheet_comes_on_paper(day: Day, nobody: httpx.AsyncClient) -> None:
    answer = await nobody.get(f"/d/{day.token}/sheet.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF")


async def test_an_expired_link_shows_a_page_that_says_so(day: Day, nobody: httpx.AsyncClient) -> None:
    await shift_clock(day.db, timedelta(days=2))
    answer = await nobody.get(f"/d/{day.token}", headers=PAGE)
    assert answer.status_code == 410
    assert "expired" in answer.text
    assert "Ada" not in answer.text
