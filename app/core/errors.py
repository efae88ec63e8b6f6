"""What can be refused: a small tree with a stable code, a status and a safe text; surfaces turn it into problem details or a page."""

import msgspec

MAX_RETRY_AFTER_S = 30  # whoever waits longer looks now and then


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


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A place in the line before a hot trip. `token` is sent again with the same request; `position` 0: come in now; times in seconds."""

    token: str
    number: int
    position: int
    wait_s: float
    expires_s: int


class WaitingRoom(TooMany):
    """More people want something at once than can be served in a moment: `place` is theirs in the line."""

    code = "waiting_room"
    title = "You are in line"

    def __init__(self, place: Place) -> None:
        wait_s = max(1, min(MAX_RETRY_AFTER_S, round(place.wait_s)))
        super().__init__(
            f"Many people want this trip right now; {place.position} are before you, about {max(1, round(place.wait_s))} seconds. Send "
            "the same request again after Retry-After, with the same Idempotency-Key and the place's token as Waiting-Place.",
            retry_after_s=wait_s,
        )
        self.place = place


class Unavailable(Refusal):
    """A part we need does not answer; nothing was done."""

    code = "unavailable"
    status = 503
    title = "Please try again shortly"
