"""Bodies as they are read: JSON as the API description has it (`"true"` is no boolean, `"41.0"` no number), forms as UTF-8 text."""

import re
from functools import cache
from typing import Any

import msgspec
from litestar import Request
from litestar.datastructures import FormMultiDict
from litestar.exceptions import ValidationException
from litestar.serialization import decode_json
from litestar.types import Empty

from app.core.errors import Invalid

HALF_CHARACTER = re.compile("[\ud800-\udfff]")


class StrictRequest(Request[Any, Any, Any]):
    """Litestar's request, but its JSON is already of the route's type: the framework's own conversion is lax, and takes that as it is."""

    __slots__ = ()

    async def json(self) -> Any:
        """The body as its route's `data`; plain JSON where the route has none. Raises ValidationException that names the field."""
        wanted = self.route_handler.parsed_data_field
        if self._json is Empty and wanted is not None and self._connection_state.json is Empty:
            self._connection_state.json = read_json(await self.body(), wanted.annotation)
        return await super().json()

    async def form(self) -> FormMultiDict:
        """The form; raises Invalid where a part came in another charset than UTF-8 and is no text for it."""
        try:
            form = await super().form()
        except LookupError:
            raise Invalid.field("Content-Type", "A form's text is UTF-8. Send it so, and name no other charset.") from None
        for name, text in form.multi_items():
            if isinstance(text, str) and HALF_CHARACTER.search(text):
                raise Invalid.field(name, f"`{name}` holds half of a character. Send it as UTF-8.")
        return form


def read_json(body: bytes, into: Any) -> Any:
    """A body as `into`. Raises ValidationException for what does not fit, SerializationException for what is no JSON."""
    try:
        return decoder_for(into).decode(body)
    except msgspec.DecodeError:
        given = with_whole_numbers(decode_json(body))
    try:
        return msgspec.convert(given, into)
    except msgspec.ValidationError as fault:  # its text ends with the field's path
        raise ValidationException("The body does not fit.", extra=[{"message": str(fault)}]) from fault


@cache
def decoder_for(into: Any) -> "msgspec.json.Decoder[Any]":
    """The decoder of a route's type: to build one takes longer than to use it."""
    return msgspec.json.Decoder(into)


def with_whole_numbers(value: Any) -> Any:
    """The same JSON with `2.0` as `2`: to JSON Schema both are integers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: with_whole_numbers(inner) for key, inner in value.items()}
    return [with_whole_numbers(inner) for inner in value] if isinstance(value, list) else value
