"""One API request from the wire to its answer: key, limits, faults, idempotency, the endpoint, the journal."""

import asyncio
import base64
import logging
from collections import deque
from typing import Any

import msgspec

from app.stage.fake_stripe.call import Answer, Call, Page
from app.stage.fake_stripe.faults import Fault
from app.stage.fake_stripe.forms import parse_form, typed
from app.stage.fake_stripe.limits import Limits
from app.stage.fake_stripe.model import StoredReply
from app.stage.fake_stripe.refusals import Refusal
from app.stage.fake_stripe.replies import Replies, digest_of
from app.stage.fake_stripe.routes import Endpoint, Routes
from app.stage.fake_stripe.world import World

log = logging.getLogger(__name__)
REQUESTS_REMEMBERED = 2000


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came. `encoded` is the query of a GET or the form of a POST."""

    method: str
    path: str
    encoded: str
    authorization: str
    idempotency_key: str | None
    account: str | None


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What goes back. `cut`: send none of it, close the connection."""

    status: int
    body: bytes
    headers: dict[str, str]
    cut: bool = False


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the request log that tests read: what was asked with which parameters and how it ended."""

    endpoint: str
    path: str
    params: dict[str, Any]
    idempotency_key: str | None
    status: int
    fault: str | None
    body: msgspec.Raw


class Desk:
    """Serves requests against one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.routes = Routes()
        terms = world.terms
        self.limits = Limits(account_per_s=terms.account_requests_per_s, endpoint_per_s=terms.endpoint_requests_per_s)
        self.replies = Replies(world.books)
        self.seen: deque[Seen] = deque(maxlen=REQUESTS_REMEMBERED)

    async def serve(self, asked: Asked) -> Answered:
        """Answer one request. Never raises for what a client can send."""
        request_id = self.world.new_id("req", 14)
        try:
            _require_key(asked.authorization)
            endpoint, path = self.routes.find(asked.method, asked.path)
            fault = self.world.chaos.fault_for(endpoint.name)
            self._require_room(endpoint, fault)
        except Refusal as refusal:
            return self._refused(refusal, request_id)
        answered = await self._with_key(asked, endpoint, path, fault, request_id)
        params = _params_as_asked(asked)
        self.seen.append(
            Seen(
                endpoint=endpoint.name,
                path=asked.path,
                params=params,
                idempotency_key=asked.idempotency_key,
                status=answered.status,
                fault=fault,
                body=msgspec.Raw(answered.body),
            )
        )
        return answered

    def _require_room(self, endpoint: Endpoint, fault: Fault | None) -> None:
        reason = None
        if self.world.terms.rate_limited:
            reason = self.limits.reason_to_refuse(endpoint.name, self.world.clock.now_s())
        if reason is not None:
            self.world.chaos.note("over_limit")
        if reason is not None or fault is Fault.RATE_LIMITED:
            raise Refusal(429, "Request rate limit exceeded.", code="rate_limit")

    async def _with_key(self, asked: Asked, endpoint: Endpoint, path: dict[str, str], fault: Fault | None, request_id: str) -> Answered:
        """Replay a stored answer, or do the work and store its answer. Refusals of the key itself are not stored."""
        key = asked.idempotency_key if asked.method == "POST" else None
        digest = digest_of(asked.path, asked.encoded)
        if key is None:
            return await self._worked(asked, endpoint, path, fault, request_id, digest)
        try:
            stored = self.replies.begin(key, endpoint.name, digest, self.world.clock.now())
        except Refusal as refusal:
            return self._refused(refusal, request_id)
        if stored is not None:
            return _replayed(stored, request_id, cut=fault is Fault.LOST_REPLY)
        try:
            return await self._worked(asked, endpoint, path, fault, request_id, digest)
        finally:
            self.replies.end(key)

    async def _worked(
        self, asked: Asked, endpoint: Endpoint, path: dict[str, str], fault: Fault | None, request_id: str, digest: str
    ) -> Answered:
        world = self.world
        if (latency_s := world.chaos.latency_s()) > 0:
            await asyncio.sleep(latency_s)
        if fault is Fault.CUT_BEFORE_EFFECT:
            return Answered(status=0, body=b"null", headers={}, cut=True)
        answered, keep = self._do(asked, endpoint, path, fault, request_id)
        if keep and asked.idempotency_key is not None and asked.method == "POST":
            self.replies.store(
                asked.idempotency_key, endpoint.name, digest, now=world.clock.now(), status=answered.status, body=answered.body
            )
        world.books.commit()
        if fault is Fault.SLOW_REPLY:
            await asyncio.sleep(world.chaos.rates.slow_reply_s)
        return msgspec.structs.replace(answered, cut=fault is Fault.LOST_REPLY)

    def _do(self, asked: Asked, endpoint: Endpoint, path: dict[str, str], fault: Fault | None, request_id: str) -> tuple[Answered, bool]:
        """The endpoint's work, without an await in it, and whether its answer is kept under the key.

        Stripe keeps an answer once the endpoint began to execute, whatever it was: parameters refused before that are not kept.
        """
        if fault is Fault.SERVER_ERROR:
            return self._failed(request_id), True
        call = Call(self.world, path, url=asked.path, account=asked.account)
        self.world.request_id, self.world.request_key = request_id, asked.idempotency_key
        try:
            params = typed(parse_form(asked.encoded), endpoint.takes)
        except Refusal as refusal:
            return self._refused(refusal, request_id), False
        try:
            body = self._shown(endpoint.act(call, params), params.expand)
        except Refusal as refusal:
            return self._refused(refusal, request_id), True
        except Exception:
            log.exception("fake_stripe.bug endpoint=%s", endpoint.name)
            return self._failed(request_id), True
        finally:
            self.world.request_id = self.world.request_key = None
        if fault is Fault.SERVER_ERROR_AFTER_EFFECT:
            return self._failed(request_id), True
        return Answered(status=200, body=body, headers=_headers(request_id)), True

    def _shown(self, answer: Answer, expand: list[str]) -> bytes:
        if isinstance(answer, msgspec.Raw):
            return bytes(answer)
        shown: dict[str, Any]
        if isinstance(answer, Page):
            shown = {"object": "list", "data": answer.data, "has_more": answer.has_more, "url": answer.url}
        elif isinstance(answer, dict):
            shown = answer
        else:
            shown = self.world.renderer.show(answer)
        return msgspec.json.encode(self.world.renderer.expand(shown, expand))

    def _refused(self, refusal: Refusal, request_id: str) -> Answered:
        error: dict[str, Any] = dict(refusal.error)
        for field, object_id in refusal.objects.items():
            row = self.world.renderer.by_id(object_id)
            if row is not None:
                error[field] = self.world.renderer.show(row)
        headers = _headers(request_id)
        if refusal.status == 429:  # noqa: PLR2004 - HTTP
            headers["Retry-After"] = "1"
        return Answered(status=refusal.status, body=msgspec.json.encode({"error": error}), headers=headers)

    def _failed(self, request_id: str) -> Answered:
        error = {"type": "api_error", "message": "Sorry! There was an error while talking to one of our backends."}
        return Answered(status=500, body=msgspec.json.encode({"error": error}), headers=_headers(request_id))


def _headers(request_id: str) -> dict[str, str]:
    return {"Request-Id": request_id}


def _replayed(stored: StoredReply, request_id: str, *, cut: bool) -> Answered:
    headers = {**_headers(request_id), "Idempotent-Replayed": "true"}
    return Answered(status=stored.status, body=bytes(stored.body), headers=headers, cut=cut)


def _params_as_asked(asked: Asked) -> dict[str, Any]:
    try:
        return parse_form(asked.encoded)
    except Refusal:
        return {}


def _require_key(authorization: str) -> None:
    """Bearer or basic with a test secret key, as the real one takes. Raises Refusal 401."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme == "Basic":
        credentials = base64.b64decode(credentials + "==", validate=False).decode("utf-8", "replace").partition(":")[0]
    if not credentials:
        raise Refusal(401, "You did not provide an API key.")
    if not credentials.startswith(("sk_test_", "rk_test_")):
        raise Refusal(401, f"Invalid API Key provided: {credentials[:8]}****")
