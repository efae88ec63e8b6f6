"""Form-encoded parameters as Stripe reads them: `a[b]=1&c[0]=x&d[]=y` to nested dicts and lists, then to a typed Struct."""

import re
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from app.stage.fake_stripe.refusals import Refusal

P = TypeVar("P", bound=msgspec.Struct)
_SEGMENT = re.compile(r"\[([^\[\]]*)\]")
_UNKNOWN = re.compile(r"unknown field `(?P<field>[^`]+)`(?: - at `\$\.?(?P<path>[^`]*)`)?")
_MISSING = re.compile(r"missing required field `(?P<field>[^`]+)`(?: - at `\$\.?(?P<path>[^`]*)`)?")
_AT = re.compile(r"at `\$\.?(?P<path>[^`]*)`")


def parse_form(encoded: str) -> dict[str, Any]:
    """Nested values, all leaves strings. Raises Refusal for an encoding that contradicts itself."""
    root: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        head, bracket, _ = name.partition("[")
        path = [head, *_SEGMENT.findall(name[len(head) :])] if bracket else [head]
        _place(root, path, value)
    return {name: _listed(value) for name, value in root.items()}


def _place(root: dict[str, Any], path: list[str], value: str) -> None:
    node = root
    for segment in path[:-1]:
        node = node.setdefault(segment, {})
        if not isinstance(node, dict):
            raise Refusal(400, f"Invalid {path[0]}: must be an object", param=path[0])
    last = path[-1] if path[-1] != "" else str(len(node))
    node[last] = value


def _listed(value: Any) -> Any:
    """A dict whose keys are 0..n-1 was an array."""
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(item) for name, item in value.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


def typed(values: dict[str, Any], shape: type[P]) -> P:
    """Convert to a parameter Struct. Raises Refusal as Stripe words it: unknown, missing or malformed parameter."""
    try:
        return msgspec.convert(values, shape, strict=False)
    except msgspec.ValidationError as fault:
        raise _refusal(str(fault)) from None


def _refusal(text: str) -> Refusal:
    if found := _UNKNOWN.search(text):
        name = _bracketed(found["path"], found["field"])
        return Refusal(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
    if found := _MISSING.search(text):
        name = _bracketed(found["path"], found["field"])
        return Refusal(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
    found = _AT.search(text)
    name = _bracketed(found["path"], "") if found else ""
    code = "parameter_invalid_integer" if "`int`" in text else "parameter_invalid"
    return Refusal(400, f"Invalid {name}: {text}", code=code, param=name or None)


def _bracketed(path: str | None, field: str) -> str:
    parts = [part for part in re.split(r"[.\[\]]+", path or "") if part and part != "..."]
    if field:
        parts.append(field)
    return parts[0] + "".join(f"[{part}]" for part in parts[1:]) if parts else ""
