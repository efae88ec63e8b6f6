"""Passes on the phone: what it checks without a network, and how fast it reads them through a camera."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import segno
from playwright.async_api import BrowserContext, async_playwright, expect

from app.core.clock import busload_now
from app.domain.manifests.day_store import read_duty_check_ins
from app.domain.manifests.passes import PassClaims, serial_of, sign_pass, signing_key
from app.domain.manifests.store import read_pledge_passes
from app.surfaces.driver.pages import file_url
from tests.browser.driver.conftest import CAMERA, open_duty
from tests.support.day_service import Day
from tests.support.travel_world import SECRET
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.browser
KEY = signing_key(SECRET)
CHECK = """
async ([address, tokens, at, without]) => {
  if (without) crypto.subtle.importKey = () => Promise.reject(new DOMException("no Ed25519 here", "NotSupportedError"));
  const { checkPass } = await import(address);
  const { openStore } = await import(address.replace("passes.js", "store.js"));
  const store = await openStore(location.pathname.split("/")[2]);
  const sheet = await store.kept("sheet");
  const answers = [];
  for (const token of tokens) {
    try { answers.push(["good", await checkPass(token, sheet, at)]); }
    catch (refusal) { answers.push([refusal.code ?? String(refusal), null]); }
  }
  return answers;
}
"""


async def token_of(day: Day, pledge: UUID, **other: Any) -> str:
    one = (await read_pledge_passes(day.db, pledge))[0]
    stated = {
        "pledge_id": one.pledge_id,
        "duty_id": one.duty_id,
        "person": one.person,
        "leg": one.leg,
        "valid_from": one.valid_from,
        "valid_until": one.valid_until,
        "serial": serial_of(one.id),
    }
    return sign_pass(KEY, PassClaims(**{**stated, **other}))


async def checked(
    phone: BrowserContext, day: Day, tokens: list[str], *, ahead: timedelta = timedelta(0), without: bool = False
) -> list[Any]:
    page = await open_duty(phone, day)
    await phone.set_offline(True)
    at = (await busload_now(day.db) + ahead).timestamp() * 1000
    answers: list[Any] = await page.evaluate(CHECK, [file_url("passes.js"), tokens, at, without])
    return answers


@pytest.mark.parametrize("without", [False, True], ids=["WebCrypto", "without Ed25519 in WebCrypto"])
async def test_every_changed_byte_is_refused_without_a_network(phone: BrowserContext, day: Day, *, without: bool) -> None:
    token = await token_of(day, day.bob)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    changed = [token[:n] + alphabet[alphabet.index(token[n]) ^ 1] + token[n + 1 :] for n in range(len(token))]
    answers = await checked(phone, day, [token, *changed, token[:-1], ""], without=without)
    assert answers[0][0] == "good"
    assert (answers[0][1]["pledgeId"], answers[0][1]["person"], answers[0][1]["leg"]) == (str(day.bob), 1, "outbound")
    assert {code for code, _ in answers[1:]} <= {"pass_invalid", "pass_key_unknown", "pass_unreadable"}


async def test_the_phone_knows_another_bus_another_day_and_a_replaced_pass(phone: BrowserContext, day: Day) -> None:
    (bobs,) = await read_pledge_passes(day.db, day.bob)
    await day.db.execute("UPDATE boarding_passes SET revoked_at = busload_now() WHERE id = $1", bobs.id)
    revoked = sign_pass(
        KEY,
        PassClaims(
            pledge_id=day.bob,
            duty_id=day.duty,
            person=1,
            leg="outbound",
            valid_from=bobs.valid_from,
            valid_until=bobs.valid_until,
            serial=serial_of(bobs.id),
        ),
    )
    other = await token_of(day, day.eve, duty_id=UUID(int=9))
    early = await token_of(day, day.eve, valid_from=bobs.valid_from + timedelta(days=30), valid_until=bobs.valid_until + timedelta(days=30))
    answers = await checked(phone, day, [revoked, other, early])
    assert [code for code, _ in answers] == ["pass_revoked", "not_on_this_bus", "pass_out_of_time"]


def write_video(path: Path, text: str) -> None:
    """Two frames of a camera that looks at a code on a phone (YUV4MPEG2, 640 x 480)."""
    matrix = segno.make(text, error="m", micro=False).matrix
    scale = 400 // (len(matrix) + 8)
    luma = bytearray(b"\xd0" * (640 * 480))
    top, left = (480 - scale * len(matrix)) // 2, (640 - scale * len(matrix)) // 2
    for y in range(scale * len(matrix)):
        for x in range(scale * len(matrix)):
            luma[(top + y) * 640 + left + x] = 0x18 if matrix[y // scale][x // scale] else 0xE8
    frame = b"FRAME\n" + bytes(luma) + b"\x80" * (640 * 480 // 2)
    path.write_bytes(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n" + frame * 2)


async def test_a_pass_before_the_camera_checks_its_person_in(chromium: Path, day: Day, tmp_path: Path) -> None:
    video = tmp_path / "pass.y4m"
    write_video(video, await token_of(day, day.bob))
    arguments = ["--no-sandbox", *CAMERA, f"--use-file-for-fake-video-capture={video}"]
    async with async_playwright() as playwright:
        chrome = await playwright.chromium.launch(executable_path=str(chromium), args=arguments)
        phone = await chrome.new_context(viewport={"width": 390, "height": 844}, permissions=["camera"])
        page = await open_duty(phone, day)
        await page.get_by_role("button", name="Scan passes").click()
        await expect(page.locator(".duty-verdict")).to_contain_text("Bob Brown", timeout=30_000)

        async def recorded() -> bool:
            return [(one.pledge_id, one.method.value) for one in await read_duty_check_ins(day.db, day.duty)] == [(day.bob, "pass")]

        await wait_until_async(recorded, "the check-in to be recorded")
        await chrome.close()
