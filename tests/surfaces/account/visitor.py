"""Somebody with a browser of their own who signs in: cookies kept, the form token sent, as our scripts do."""

from typing import Any

import httpx

from tests.support.authenticator import Authenticator
from tests.support.service import Service


class Visitor:
    """A browser with a cookie jar. `passkey` is what its owner's device has made."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.http = httpx.AsyncClient(base_url=str(service.http.base_url), trust_env=False, timeout=30, headers={"accept": "text/html"})
        host = service.settings.base_url
        self.passkey = Authenticator(origin=host, rp_id="localhost")

    async def post(self, path: str, *, json: Any = None, **fields: str) -> httpx.Response:
        if "busload_csrf" not in self.http.cookies:
            await self.http.get("/sign-in/none")
        headers = {"x-csrf-token": self.http.cookies["busload_csrf"], "sec-fetch-site": "same-origin", "accept": "application/json"}
        return await self.http.post(path, headers=headers, **({"data": fields} if json is None else {"json": json}))

    async def signed_in(self, email: str) -> None:
        """Signs in by a mail link."""
        await self.post("/sign-in", email=email)
        await self.service.work("send_mail")
        text = next(m for m in reversed(self.service.postbox.messages) if m["To"] == email).get_body(("plain",)).get_content()
        token = text.split("/sign-in/", 1)[1].split()[0]
        answer = await self.post("/sign-in/use", token=token)
        assert answer.status_code == 303, answer.text

    async def options(self, path: str) -> dict[str, Any]:
        answer = await self.post(path, json={})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def makes_passkey(self, name: str = "Phone", **lies: Any) -> httpx.Response:
        made = self.passkey.make(await self.options("/account/passkeys/options"), **lies)
        return await self.post("/account/passkeys", json={"credential": made, "name": name})

    async def signs_in(self, next: str = "/", **lies: Any) -> httpx.Response:
        signed = self.passkey.sign(await self.options("/sign-in/passkey/options"), **lies)
        return await self.post("/sign-in/passkey", json={"credential": signed, "next": next})
