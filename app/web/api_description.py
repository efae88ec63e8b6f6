"""What the OpenAPI document says of every operation alike: how one is let in, and that refusals are problem details.

Litestar describes what handlers take and give; this adds what the application's exception handlers and dependencies do, derived from the
operation itself, so that a new route is described without a word of its own.
"""

from typing import Any

from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin

from app.web.problems import PROBLEM_JSON

JsonObject = dict[str, Any]
REASONS = {
    "400": "The request cannot be read, or an Idempotency-Key is missing",
    "401": "Nobody is signed in, or the token is wrong or expired",
    "403": "Signed in, but not for this",
    "404": "There is no such thing, or it is not yours",
    "409": "The thing is in a state that does not allow this any more (or yet)",
    "410": "Its time is over",
    "413": "The body is larger than 1 MB",
    "422": "Some of the input needs a correction; `errors` names each field",
    "429": "Too many requests; `Retry-After` says how long to wait",
    "501": "Another format than JSON was asked for",
    "503": "A part that is needed does not answer; nothing was done",
}
SCHEMES: JsonObject = {
    "session": {"type": "http", "scheme": "bearer", "description": "A session's token (for a demo: POST /api/demo/sessions)."},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "busload_session", "description": "The same, as our own pages send it."},
    "manage_token": {"type": "http", "scheme": "bearer", "description": "A pledge's `manage_token`, also as `?token=`."},
    "transfer_token": {"type": "http", "scheme": "bearer", "description": "The token of a mailed offer of seats, also as `?token=`."},
    "waitlist_token": {"type": "http", "scheme": "bearer", "description": "A `waitlist_token`, also as `?token=`: a place in line."},
    "driver_link": {"type": "http", "scheme": "bearer", "description": "The token of a driver's link; opens one duty."},
    "stripe": {"type": "apiKey", "in": "header", "name": "Stripe-Signature", "description": "Stripe's signature over the raw body."},
}
STAFF = ("session", "cookie")
LET_IN: dict[str, tuple[str, ...]] = {
    "organiser": STAFF,
    "operator": STAFF,
    "partner": STAFF,
    "pledges": ("manage_token", *STAFF),
    "waitlist": ("waitlist_token",),
    "transfer": ("transfer_token",),
    "driver": ("driver_link",),
    "webhooks": ("stripe",),
}
PROBLEM: JsonObject = {
    "type": "object",
    "title": "Problem",
    "description": "Problem details (RFC 9457). `type` and `code` are stable; `detail` says what to do.",
    "required": ["type", "title", "status", "detail", "code", "errors"],
    "properties": {
        "type": {"type": "string", "examples": ["/problems/invalid_input"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "examples": ["invalid_input"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


class ApiDescription(JsonRenderPlugin):
    """`/api/schema/openapi.json`, with the refusals and the ways in."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: JsonObject) -> bytes:
        """The document as JSON."""
        return super().render(request, describe(openapi_schema))


def describe(document: JsonObject) -> JsonObject:
    """Litestar's document with what holds for every operation; the given one stays as it is."""
    components = document.get("components", {})
    answers = {f"Problem{status}": _answer(reason) for status, reason in REASONS.items()}
    return {
        **document,
        "paths": {
            path: {method: _operation(path, method, one) if isinstance(one, dict) else one for method, one in item.items()}
            for path, item in document["paths"].items()
        },
        "components": {
            **components,
            "schemas": {**components.get("schemas", {}), "Problem": PROBLEM},
            "responses": answers,
            "securitySchemes": SCHEMES,
        },
    }


def _answer(reason: str) -> JsonObject:
    return {"description": reason, "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


def _operation(path: str, method: str, operation: JsonObject) -> JsonObject:
    schemes = ways_in(path, method, operation)
    good = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
    problems = {status: {"$ref": f"#/components/responses/Problem{status}"} for status in refusals(path, method, operation, schemes)}
    described = {**operation, "responses": {**good, **problems}, "security": [{scheme: []} for scheme in schemes]}
    if parameters := operation.get("parameters"):
        described["parameters"] = [{**one, "required": True} if one["name"] == "Idempotency-Key" else one for one in parameters]
    return described


def ways_in(path: str, method: str, operation: JsonObject) -> tuple[str, ...]:
    """The security schemes of an operation, any of which will do; none for what is open to everybody."""
    if (path, method) == ("/api/trips/{trip_id}/pledges", "post"):
        return ()  # placing one needs nobody; a session only files it under an account
    return next((LET_IN[tag] for tag in operation.get("tags", []) if tag in LET_IN), ())


def refusals(path: str, method: str, operation: JsonObject, schemes: tuple[str, ...]) -> list[str]:
    """The statuses an operation may refuse with."""
    takes_input = "requestBody" in operation or bool(operation.get("parameters"))
    changes = method != "get"
    found = {"503"}
    found |= {"401", "403"} if schemes and schemes != ("stripe",) else set()
    found |= {"404", "410"} if "{" in path or schemes or "demo" in operation.get("tags", []) else set()
    found |= {"400", "422"} if takes_input or schemes == ("stripe",) else set()
    found |= {"403", "409", "413", "429"} if changes else set()
    found |= {"404", "501"} if path == "/oembed" else set()
    return sorted(found)
