"""Passkeys sign in their own account, once per challenge, in the browser that asked; whatever is forged, copied or stale is refused."""

import copy
from datetime import timedelta
from typing import Any

import pytest
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from app.flows.passkeys import end_sessions_of
from tests.support.service import Service
from tests.surfaces.account.conftest import Visitors
from tests.surfaces.account.visitor import Visitor


async def owner(visitors: Visitors, email: str) -> Visitor:
    """Somebody with a passkey, signed out again in a browser that still knows nothing of it."""
    ada = visitors()
    await ada.signed_in(email)
    answer = await ada.makes_passkey()
    assert answer.status_code == 201, answer.text
    await ada.post("/sign-out")
    return ada


async def test_a_passkey_signs_its_owner_in_and_goes_on_where_one_came_from(shop: Service, visitors: Visitors) -> None:
    ada = await owner(visitors, "ada@example.org")
    answer = await ada.signs_in("/pledges")
    assert (answer.status_code, answer.json()) == (200, {"next": "/pledges"})
    page = await ada.http.get("/account")
    assert "ada@example.org" in page.text
    assert "Passkey" in page.text
    assert "Phone" in page.text


async def test_its_owner_is_told_by_mail(shop: Service, visitors: Visitors) -> None:
    ada = await owner(visitors, "told@example.org")
    await shop.work("send_mail")
    subjects = [m["Subject"] for m in shop.postbox.messages if m["To"] == "told@example.org"]
    assert subjects[-1] == "A passkey was added"
    await ada.signs_in()
    (key_id,) = await ids_of(shop, "told@example.org")
    assert (await ada.post(f"/account/passkeys/{key_id}/remove")).status_code == 303
    await shop.work("send_mail")
    assert shop.postbox.messages[-1]["Subject"] == "A passkey was removed"
    await ada.post("/sign-out")
    assert (await ada.signs_in()).status_code == 401, "removed"


async def ids_of(shop: Service, email: str) -> list[str]:
    async with shop.pool.acquire() as conn:
        rows = await conn.fetch("SELECT p.id FROM passkeys p JOIN accounts a ON a.id = p.account_id WHERE a.email = $1", email)
    return [str(row["id"]) for row in rows]


@pytest.mark.parametrize(
    "lie",
    [{"origin": "https://evil.example"}, {"origin": "http://localhost"}, {"verified": False}, {"kind": "create"}],
    ids=["another site's answer", "another port's answer", "nobody verified", "an answer to another question"],
)
async def test_an_answer_that_does_not_fit_is_refused(shop: Service, visitors: Visitors, lie: dict[str, Any]) -> None:
    ada = await owner(visitors, f"lie{abs(hash(str(lie)))}@example.org")
    answer = await ada.signs_in(**lie)
    assert (answer.status_code, answer.json()["code"]) == (401, "passkey_refused")
    assert "busload_session" not in str(answer.headers.get("set-cookie"))


async def test_another_sites_passkey_is_refused(visitors: Visitors) -> None:
    ada = await owner(visitors, "rp@example.org")
    ada.passkey.rp_id = "evil.example"
    assert (await ada.signs_in()).status_code == 401


async def test_a_challenge_is_answered_once(visitors: Visitors) -> None:
    ada = await owner(visitors, "once@example.org")
    signed = ada.passkey.sign(await ada.options("/sign-in/passkey/options"))
    assert (await ada.post("/sign-in/passkey", json={"credential": signed})).status_code == 200
    again = await ada.post("/sign-in/passkey", json={"credential": signed})
    assert (again.status_code, again.json()["code"]) == (401, "passkey_refused")


async def test_a_refused_answer_uses_its_challenge_up(visitors: Visitors) -> None:
    ada = await owner(visitors, "burnt@example.org")
    options = await ada.options("/sign-in/passkey/options")
    assert (await ada.post("/sign-in/passkey", json={"credential": ada.passkey.sign(options, verified=False)})).status_code == 401
    assert (await ada.post("/sign-in/passkey", json={"credential": ada.passkey.sign(options)})).status_code == 401


async def test_a_challenge_of_our_own_making_is_refused(visitors: Visitors) -> None:
    ada = await owner(visitors, "made-up@example.org")
    await ada.options("/sign-in/passkey/options")
    signed = ada.passkey.sign({"challenge": bytes_to_base64url(b"x" * 32)})
    assert (await ada.post("/sign-in/passkey", json={"credential": signed})).status_code == 401


async def test_a_challenge_lives_five_minutes(shop: Service, visitors: Visitors) -> None:
    ada = await owner(visitors, "late@example.org")
    signed = ada.passkey.sign(await ada.options("/sign-in/passkey/options"))
    await shop.jump(timedelta(minutes=5, seconds=1))
    assert (await ada.post("/sign-in/passkey", json={"credential": signed})).status_code == 401


async def test_an_answer_works_only_in_the_browser_that_asked(visitors: Visitors) -> None:
    ada, eve = await owner(visitors, "mine@example.org"), visitors()
    signed = ada.passkey.sign(await ada.options("/sign-in/passkey/options"))
    await eve.options("/sign-in/passkey/options")
    assert (await eve.post("/sign-in/passkey", json={"credential": signed})).status_code == 401


async def test_an_altered_signature_is_refused(visitors: Visitors) -> None:
    ada = await owner(visitors, "altered@example.org")
    for part in ("signature", "authenticatorData"):
        signed = ada.passkey.sign(await ada.options("/sign-in/passkey/options"))
        bytes_ = bytearray(base64url_to_bytes(signed["response"][part]))
        bytes_[-1] ^= 1
        signed["response"][part] = bytes_to_base64url(bytes(bytes_))
        assert (await ada.post("/sign-in/passkey", json={"credential": signed})).status_code == 401, part
    assert (await ada.signs_in()).status_code == 200, "the honest answer"


async def test_a_passkey_never_signs_in_another_account(visitors: Visitors) -> None:
    ada, eve = await owner(visitors, "victim@example.org"), await owner(visitors, "eve@example.org")
    eve.passkey.handle = ada.passkey.handle
    assert (await eve.signs_in()).status_code == 401, "names another account"
    eve.passkey.credential_id = ada.passkey.credential_id
    assert (await eve.signs_in()).status_code == 401, "names another account's passkey, signs with its own"


async def test_a_counter_that_does_not_grow_is_a_copied_key(visitors: Visitors) -> None:
    ada = await owner(visitors, "copied@example.org")
    copied = copy.copy(ada.passkey)
    assert (await ada.signs_in()).status_code == 200
    assert (await ada.signs_in()).status_code == 200
    ada.passkey = copied
    assert (await ada.signs_in()).status_code == 401


async def test_a_passkey_is_made_only_just_after_signing_in(shop: Service, visitors: Visitors) -> None:
    ada = visitors()
    await ada.signed_in("stale@example.org")
    await shop.jump(timedelta(minutes=16))
    answer = await ada.post("/account/passkeys/options", json={})
    assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_again")
    assert "Add a passkey" not in (await ada.http.get("/account")).text


async def test_a_passkey_made_for_another_challenge_or_account_is_refused(visitors: Visitors) -> None:
    ada, eve = visitors(), visitors()
    await ada.signed_in("maker@example.org")
    await eve.signed_in("taker@example.org")
    options = await ada.options("/account/passkeys/options")
    made = eve.passkey.make(options)
    assert (await eve.post("/account/passkeys", json={"credential": made, "name": "Mine"})).status_code == 401
    assert (await ada.makes_passkey(origin="https://evil.example")).status_code == 401
    assert (await ada.makes_passkey(verified=False)).status_code == 401
    for options in (await ada.options("/account/passkeys/options"), await ada.options("/sign-in/passkey/options")):
        signed_in = ada.passkey.make({"user": {"id": "x"}, **options})
        answer = await ada.post("/account/passkeys", json={"credential": signed_in, "name": "Mine"})
        assert answer.status_code == (201 if "user" in options else 401)
    again = await ada.makes_passkey()
    assert (again.status_code, again.json()["code"]) == (409, "passkey_known")


async def test_others_passkeys_and_sessions_are_out_of_reach(shop: Service, visitors: Visitors) -> None:
    await owner(visitors, "prey@example.org")
    eve = visitors()
    await eve.signed_in("hunter@example.org")
    (key_id,) = await ids_of(shop, "prey@example.org")
    assert (await eve.post(f"/account/passkeys/{key_id}/rename", name="Mine now")).status_code == 404
    assert (await eve.post(f"/account/passkeys/{key_id}/remove")).status_code == 404
    async with shop.pool.acquire() as conn:
        session_id = await conn.fetchval(
            "SELECT s.id FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE a.email = 'prey@example.org'"
        )
    assert (await eve.post(f"/account/sessions/{session_id}/end")).status_code == 404


async def test_a_session_can_be_ended_from_another(visitors: Visitors) -> None:
    phone, laptop = visitors(), visitors()
    for one in (phone, laptop):
        await one.signed_in("both@example.org")
    assert (await laptop.post("/account/sessions/end-others")).status_code == 303
    assert (await phone.http.get("/account", headers={"accept": "text/html"})).status_code == 303, "to the sign-in page"
    assert (await laptop.http.get("/account")).status_code == 200


async def test_who_runs_the_service_can_sign_somebody_out(shop: Service, visitors: Visitors) -> None:
    ada, bob = visitors(), visitors()
    await ada.signed_in("out@example.org")
    await bob.signed_in("in@example.org")
    assert await end_sessions_of(shop.pool, email="OUT@example.org") == 1
    assert (await ada.http.get("/account")).status_code == 303
    assert (await bob.http.get("/account")).status_code == 200


async def test_a_new_session_ends_the_one_before(shop: Service, visitors: Visitors) -> None:
    ada = visitors()
    await ada.signed_in("again@example.org")
    before = ada.http.cookies["busload_session"]
    await ada.signed_in("again@example.org")
    assert ada.http.cookies["busload_session"] != before
    stale = await shop.http.get("/account", headers={"Authorization": f"Bearer {before}"})
    assert stale.status_code == 401


@pytest.mark.parametrize(
    "rubbish", [{}, {"rawId": 1}, {"response": []}, {"response": {"clientDataJSON": "e30"}}, {"response": {"clientDataJSON": "!"}}]
)
async def test_rubbish_is_no_answer(visitors: Visitors, rubbish: dict[str, object]) -> None:
    ada = visitors()
    answer = await ada.post("/sign-in/passkey", json={"credential": rubbish})
    assert answer.status_code in {401, 422}


async def test_nothing_kept_signs_anybody_in(shop: Service, visitors: Visitors) -> None:
    ada = await owner(visitors, "rest@example.org")
    challenge = (await ada.options("/sign-in/passkey/options"))["challenge"]
    async with shop.pool.acquire() as conn:
        stored = await conn.fetchval("SELECT string_agg(c::text, ' ') FROM passkey_challenges c")
    assert base64url_to_bytes(challenge).hex() not in stored
    assert ada.http.cookies["busload_browser"] not in stored
