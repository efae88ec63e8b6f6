"""Refusals become problem details (RFC 9457) for programs and an error page for people, here and nowhere else."""

import re
import sys
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import asyncpg
import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.response import Redirect, Template
from litestar.types import Scope

from app.core.errors import FieldError, Invalid, Place, Refusal, SignInNeeded, Unavailable, WaitingRoom
from app.core.log import logger
from app.web.bad_text import find_bad_text

log = logger(__name__)
PROBLEM_JSON = "application/problem+json"
FIELD_PATH = re.compile(r"`\$\.?([^`]*)`$")
UNKNOWN_FIELD = re.compile(r"unknown field `([^`]+)`")
MISSING_FIELD = re.compile(r"missing required field `([^`]+)`")
MISSING_PARAMETER = re.compile(r"Missing required \w+ parameter '([^']+)'")
NO_BOUNDARY = "multipart boundary missing in Content-Type"


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """Problem details: `type` is stable (`/problems/<code>`), `detail` says what to do, `errors` names fields."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: tuple[FieldError, ...]


class WaitingProblem(Problem, frozen=True, kw_only=True, omit_defaults=False):
    """The same for whoever is in line: where they stand, and the token that keeps their place."""

    place: Place


def wants_page(request: Request[Any, Any, Any]) -> bool:
    """Whether a person's browser is asking: pages live outside /api/ and /w/, and browsers accept HTML."""
    return not request.url.path.startswith(("/api/", "/w/")) and "text/html" in request.headers.get("accept", "")


def answer(request: Request[Any, Any, Any], problem: Problem, headers: dict[str, str]) -> Response[Any]:
    """The problem in the form its reader understands."""
    if wants_page(request):
        return Template("error.html", context={"problem": problem}, status_code=problem.status, headers=headers)
    return Response(problem, status_code=problem.status, media_type=PROBLEM_JSON, headers=headers)


def on_refusal(request: Request[Any, Any, Any], refusal: Refusal) -> Response[Any]:
    """An expected refusal: info in the log, its own code, status and sentence for the client."""
    log.info("request.refused", code=refusal.code, status=refusal.status, path=route_of(request))
    if type(refusal) is SignInNeeded and request.method == "GET" and wants_page(request):
        return Redirect(f"/sign-in?next={quote(request.url.path, safe='')}", status_code=303)
    problem = Problem(
        type=f"/problems/{refusal.code}",
        title=refusal.title,
        status=refusal.status,
        detail=refusal.detail,
        code=refusal.code,
        errors=refusal.fields,
    )
    if isinstance(refusal, WaitingRoom):
        problem = WaitingProblem(**msgspec.structs.asdict(problem), place=refusal.place)
    headers = {"Retry-After": str(refusal.retry_after_s)} if refusal.retry_after_s else {}
    return answer(request, problem, headers)


def on_validation(request: Request[Any, Any, Any], error: ValidationException) -> Response[Any]:
    """Input that does not fit the shape: names the field, and tells an unknown field from a wrong one."""
    errors = tuple(field_error(item) for item in error.extra or [] if isinstance(item, dict))
    if not errors and (missing := MISSING_PARAMETER.match(error.detail)):  # Litestar says which only in its sentence
        errors = (FieldError(field=missing[1], message=f"`{missing[1]}` is missing; please send it."),)
    if error.detail == NO_BOUNDARY:
        errors = (FieldError(field="Content-Type", message="A multipart form names its boundary in `Content-Type`; send it with one."),)
    unknown = any("not a known field" in item.message for item in errors)
    code = "unknown_field" if unknown else "invalid_input"
    detail = errors[0].message if errors else "The request does not have the expected form; the API description shows it."
    problem = Problem(
        type=f"/problems/{code}", title="Some of what you sent needs a correction", status=422, detail=detail, code=code, errors=errors
    )
    return answer(request, problem, {})


def field_error(item: dict[str, Any]) -> FieldError:
    """One of Litestar's validation items in our words."""
    message = str(item.get("message", ""))
    path = FIELD_PATH.search(message)
    where = (path[1] if path else str(item.get("key", "") or "")).removeprefix("data").removeprefix(".")
    if found := UNKNOWN_FIELD.search(message):
        name = f"{where}.{found[1]}".removeprefix(".")
        return FieldError(field=name, message=f"`{name}` is not a known field here; leave it out.")
    if found := MISSING_FIELD.search(message):
        name = f"{where}.{found[1]}".removeprefix(".")
        return FieldError(field=name, message=f"`{name}` is missing; please send it.")
    text = FIELD_PATH.sub("", message).removesuffix(" - at ").strip()
    if not where:
        return FieldError(field="", message="The request does not have the expected form; the API description shows it.")
    return FieldError(field=where, message=f"`{where}` does not fit: {text[:1].lower()}{text[1:]}. The API description shows what does.")


def on_bad_text(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Text that is no UTF-8, or holds a character that no database stores (U+0000)."""
    if isinstance(error, UnicodeDecodeError) and request.headers.get("content-type"):
        return on_refusal(request, Invalid.field("body", "The body is not valid UTF-8. Encode it as UTF-8 and send it again."))
    if name := find_bad_text(request):
        return on_refusal(
            request, Invalid.field(name, f"`{name}` holds a null character, which cannot be stored. Take it out and send it again.")
        )
    return on_refusal(request, Invalid("The text you sent is not valid UTF-8, or holds a null character. Correct it and send it again."))


def on_deep_nesting(request: Request[Any, Any, Any], _: RecursionError) -> Response[Any]:
    """JSON within JSON until the decoder gives up."""
    return on_refusal(request, Invalid("What you sent is nested too deeply. Send the form that the API description shows."))


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Litestar's own errors: no such route, wrong method, too large a body."""
    status = HTTPStatus(error.status_code)
    code = status.phrase.lower().replace(" ", "_").replace("'", "")
    problem = Problem(
        type=f"/problems/{code}",
        title=status.phrase,
        status=error.status_code,
        detail=status.description or status.phrase,
        code=code,
        errors=(),
    )
    return answer(request, problem, dict(error.headers or {}))


def on_database_busy(request: Request[Any, Any, Any], _: Exception) -> Response[Any]:
    """A lock, a connection or the server itself could not be had in time; nothing was done."""
    log.warning("database.busy", path=route_of(request))
    return on_refusal(
        request, Unavailable("Too much is going on at once. Nothing was changed; please try again in a moment.", retry_after_s=2)
    )


def on_database_lost(request: Request[Any, Any, Any], _: Exception) -> Response[Any]:
    """The connection broke, perhaps during the commit: whether it was done is known only once the same request comes again."""
    log.warning("database.lost", path=route_of(request))
    again = "Our database was out of reach for a moment. Send the same request again, with the same Idempotency-Key if it had one."
    return on_refusal(request, Unavailable(again, retry_after_s=2))


def on_bug(request: Request[Any, Any, Any], _: Exception) -> Response[Any]:
    """A bug: the error log has it (`log_bug`), the client gets no insides."""
    problem = Problem(
        type="/problems/internal_error",
        title="That is our fault",
        status=500,
        code="internal_error",
        detail="Something broke on our side. Nothing was half-done; please try again.",
        errors=(),
    )
    return answer(request, problem, {})


def log_bug(_: object, scope: Scope, __: list[str]) -> None:
    """Litestar's exception logging: bugs only, by route pattern, because paths and bodies may hold tokens and personal data."""
    error = sys.exc_info()[1]
    expected = isinstance(error, tuple(kind for kind in EXCEPTION_HANDLERS if kind is not Exception))
    if error is None or (expected and getattr(error, "status_code", 0) < HTTPStatus.INTERNAL_SERVER_ERROR):
        return
    log.error("request.failed", route=str(scope.get("path_template", "unknown")), exc_info=error)


def route_of(request: Request[Any, Any, Any]) -> str:
    """The route's pattern, never the path itself: paths may hold tokens."""
    return str(request.scope.get("path_template", "unknown"))


EXCEPTION_HANDLERS: dict[Any, Any] = {
    Refusal: on_refusal,
    ValidationException: on_validation,
    HTTPException: on_http_error,
    UnicodeDecodeError: on_bad_text,
    RecursionError: on_deep_nesting,
    asyncpg.CharacterNotInRepertoireError: on_bad_text,
    asyncpg.UntranslatableCharacterError: on_bad_text,
    asyncpg.LockNotAvailableError: on_database_busy,
    asyncpg.DeadlockDetectedError: on_database_busy,
    asyncpg.QueryCanceledError: on_database_busy,
    asyncpg.InsufficientResourcesError: on_database_busy,  # its disk or memory is full, or it has no connection left
    asyncpg.PostgresSystemError: on_database_lost,
    asyncpg.CannotConnectNowError: on_database_busy,
    asyncpg.PostgresConnectionError: on_database_lost,
    asyncpg.CrashShutdownError: on_database_lost,
    asyncpg.AdminShutdownError: on_database_lost,
    asyncpg.InterfaceError: on_database_lost,
    asyncpg.InternalClientError: on_database_lost,  # what a connection cut in the middle of an operation leaves in asyncpg
    ConnectionError: on_database_lost,
    TimeoutError: on_database_busy,
    Exception: on_bug,
}
HTML = MediaType.HTML
