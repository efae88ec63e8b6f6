"""Posting to addresses that strangers gave us: resolved once, connected to exactly there, never inwards, never redirected."""

import asyncio
import socket
import ssl

import certifi
import httpx
import msgspec

from app.domain.partners.model import refused_address

TIMEOUT_S = 20.0
CONNECT_TIMEOUT_S = 5.0
SUCCESS = range(200, 300)
REDIRECT = range(300, 400)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a try: the HTTP status, or None and why there is none."""

    status: int | None
    error: str

    @property
    def taken(self) -> bool:
        """Whether the endpoint took the message: any 2xx."""
        return self.status in SUCCESS


class WebhookClient:
    """Posts messages; one for a worker's lifetime. `trust` replaces the public certificate authorities."""

    def __init__(self, *, trust: ssl.SSLContext | None = None) -> None:
        self._trust = trust or ssl.create_default_context(cafile=certifi.where())

    async def post(self, url: str, *, headers: dict[str, str], body: str, loopback_allowed: bool) -> Answer:
        """One try, at most 20 s in all. Never raises for what the other side does."""
        target = httpx.URL(url)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                address = await resolve(target)
                if refused := refused_address(address, loopback_allowed=loopback_allowed):
                    return Answer(status=None, error=f"{target.host} leads to {refused}; not sent.")
                return await self._post_to(address, target, headers, body)
        except socket.gaierror:
            return Answer(status=None, error=f"The name {target.host} cannot be resolved.")
        except TimeoutError:
            return Answer(status=None, error=f"No answer within {TIMEOUT_S:.0f} s.")
        except httpx.TimeoutException:
            return Answer(status=None, error="No connection or no answer in time.")
        except (httpx.TransportError, httpx.InvalidURL, OSError) as error:
            return Answer(status=None, error=f"The connection failed ({type(error).__name__}).")

    async def _post_to(self, address: str, target: httpx.URL, headers: dict[str, str], body: str) -> Answer:
        """Connects to the address that was checked, while the name stays in Host and in the certificate's check."""
        timeout = httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        async with httpx.AsyncClient(verify=self._trust, timeout=timeout, trust_env=False, follow_redirects=False) as client:
            request = client.build_request(
                "POST",
                target.copy_with(host=address),
                headers={
                    **headers,
                    "host": target.netloc.decode("ascii"),
                    "content-type": "application/json",
                    "user-agent": "Busload-Webhooks/1",
                },
                content=body.encode(),
                extensions={"sni_hostname": target.raw_host.decode("ascii")},
            )
            answer = await client.send(request, stream=True)  # whatever the body says, we do not read it
            await answer.aclose()
        return Answer(status=answer.status_code, error=told(answer.status_code))


def told(status: int) -> str:
    """What a status means for the delivery log; '' when the message was taken."""
    if status in SUCCESS:
        return ""
    if status in REDIRECT:
        return "The endpoint redirects; redirects are not followed."
    return f"The endpoint answered {status}."


async def resolve(url: httpx.URL) -> str:
    """The first address of a URL's host, looked up once. Raises socket.gaierror."""
    port = url.port or (443 if url.scheme == "https" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    address = str(found[0][4][0])
    return address.split("%", maxsplit=1)[0]
