"""HTML forms as Structs: every fault named at once, so that the page can show all of them and lose nothing."""

from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from litestar import Request

from app.core.errors import FieldError, Invalid

T = TypeVar("T", bound=msgspec.Struct)
PLAIN = {
    "Expected `int`, got `str`": "Please enter a whole number",
    "Expected `float`, got `str`": "Please enter a number",
    "Invalid UUID": "Please choose one of these",
}


def is_list(kind: Any) -> bool:
    """Whether a field takes several values of the same name."""
    return (get_origin(kind) or kind) in {list, tuple} or any(is_list(part) for part in get_args(kind) if get_origin(kind) is not list)


async def typed_text(request: Request[Any, Any, Any], name: str) -> str:
    """What was typed into a field, to be shown again; nothing for a field that is missing or holds a file."""
    value = (await request.form()).get(name)
    return value if isinstance(value, str) else ""


async def read_form(request: Request[Any, Any, Any], into: type[T], *, asks: Mapping[str, str] | None = None) -> T:
    """The submitted form as `into`; raises Invalid with one FieldError per wrong field. An empty text counts as not given.

    asks: what to say when a field was left empty, by its name.
    """
    form = await request.form()
    values = {field.encode_name: form.getall(field.encode_name, []) for field in msgspec.structs.fields(into)}
    return convert_form(values, into, asks=asks)


def convert_form(values: Mapping[str, list[Any]], into: type[T], *, asks: Mapping[str, str] | None = None) -> T:
    """Texts by field name as `into`, field by field."""
    clean: dict[str, Any] = {}
    faults: list[FieldError] = []
    for field in msgspec.structs.fields(into):
        given = [value.strip() if isinstance(value, str) else value for value in values.get(field.encode_name, [])]
        given = [value for value in given if value != ""]
        if not given:
            if field.required and not is_list(field.type):
                faults.append(FieldError(field=field.encode_name, message=(asks or {}).get(field.encode_name, "Please fill this in.")))
            elif field.required:
                clean[field.name] = []
            continue
        try:
            clean[field.name] = msgspec.convert(given if is_list(field.type) else given[0], field.type, strict=False)
        except msgspec.ValidationError as error:
            faults.append(FieldError(field=field.encode_name, message=plain(str(error))))
    if faults:
        raise Invalid("Some fields need a correction.", fields=tuple(faults))
    return msgspec.convert(clean, into, strict=False, from_attributes=True)


def plain(message: str) -> str:
    """msgspec's message for a person."""
    text = message.split(" - at ", maxsplit=1)[0].rstrip(".")
    return f"{PLAIN.get(text, text)}."
