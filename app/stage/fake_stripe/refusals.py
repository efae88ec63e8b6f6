"""Stripe's error answers.

Raising one ends the request with its status; what was written before it stays written: a declined charge is a charge.
"""

from typing import Any


class Refusal(Exception):
    """An error answer: HTTP status and the `error` object's fields. `objects` names resources shown whole inside it (field -> id)."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        decline_code: str | None = None,
        charge: str | None = None,
        objects: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.objects = objects or {}
        fields = {
            "type": type,
            "code": code,
            "param": param,
            "decline_code": decline_code,
            "charge": charge,
            "message": message,
        }
        self.error: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
        if code is not None:
            self.error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"


def missing(what: str, object_id: str, param: str, *, in_path: bool) -> Refusal:
    """An id nobody knows: 404 in the path, 400 in a parameter."""
    return Refusal(404 if in_path else 400, f"No such {what}: '{object_id}'", code="resource_missing", param=param)


def unexpected_state(message: str, *, intent_id: str) -> Refusal:
    return Refusal(400, message, code="payment_intent_unexpected_state", objects={"payment_intent": intent_id})
