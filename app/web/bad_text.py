"""Where in what was sent the text stands that no database stores, so that a refusal can name the field."""

from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import Request
from litestar.types import Empty
from litestar.utils.scope.state import ScopeState

NULL = "\x00"


def find_bad_text(request: Request[Any, Any, Any]) -> str | None:
    """The path of the first field that holds such a text, as far as the request was read: JSON, form, query, then the address."""
    read = ScopeState.from_scope(request.scope)
    query = {name: text for name, text in request.query_params.multi_items() if NULL in text}
    given = [read.json, read.form, query, request.path_params]
    return next((path for one in given if one is not Empty for path, text in texts_in(one) if NULL in text), None)


def texts_in(value: Any) -> Iterator[tuple[str, str]]:
    """Each text with its path, such as `stops[0].name`; without recursion, because a sender chooses how deep it is."""
    left: list[tuple[str, Any]] = [("", value)]
    while left:
        path, one = left.pop()
        if isinstance(one, str):
            yield path, one
            continue
        inner = [(f"{path}{place}", part) for place, part in parts_of(one)]
        left += [(place.removeprefix("."), part) for place, part in reversed(inner)]


def parts_of(value: Any) -> list[tuple[str, Any]]:
    """The parts of a Struct, a mapping or a list, each with its place in it."""
    if isinstance(value, msgspec.Struct):
        return [(f".{field.encode_name}", getattr(value, field.name)) for field in msgspec.structs.fields(value)]
    if isinstance(value, dict):
        return [(f".{key}", part) for key, part in value.items()]
    return [(f"[{index}]", part) for index, part in enumerate(value)] if isinstance(value, list | tuple) else []
