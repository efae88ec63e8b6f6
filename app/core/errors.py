"""What can be refused: a small tree with a stable code, a status and a safe text; surfaces turn it into problem details or a page."""

import msgspec


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of the input: where (a path such as `seats`) and what to do."""

    field: str
    message: str


class Refusal(Exception):
    """An expected refusal. `code` is stable and part of the API; `detail` is safe to show and says what to do."""

    code = "refused"
    status = 409
    title = "This cannot be done"

    def __init__(
        self, detail: str, *, fields: tuple[FieldError, ...] = (), retry_after_s: int | None = None, code: str | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields
        self.retry_after_s = retry_after_s
        if code is not None:
            self.code = code


class Invalid(Refusal):
    """The input has faults; `fields` names each."""

    code = "invalid_input"
    status = 422
    title = "Some of what you sent needs a correction"

    @classmethod
    def field(cls, field: str, message: str, *, code: str | None = None) -> "Invalid":
        """One fault in one field."""
        return cls(message, fields=(FieldError(field=field, message=message),), code=code)


class NotFound(Refusal):
    """There is no such thing, or it is not yours: both look the same."""

    code = "not_found"
    status = 404
    title = "Not found"


class NotAllowed(Refusal):
    """Signed in, but not for this."""

    code = "not_allowed"
    status = 403
    title = "Not allowed"


class SignInNeeded(Refusal):
    """Nobody is signed in, or the link or token is wrong or expired."""

    code = "sign_in_needed"
    status = 401
    title = "Please sign in"


class Conflict(Refusal):
    """The thing is in a state that does not allow this any more (or yet)."""

    code = "conflict"
    status = 409
    title = "Too late, or too early"


class Gone(Refusal):
    """It existed and its time is over: an expired link or hold."""

    code = "gone"
    status = 410
    title = "No longer available"


class TooMany(Refusal):
    """Slow down; `retry_after_s` says how long."""

    code = "too_many_requests"
    status = 429
    title = "Too many requests"


class Unavailable(Refusal):
    """A part we need does not answer; nothing was done."""

    code = "unavailable"
    status = 503
    title = "Please try again shortly"
