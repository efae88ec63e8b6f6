"""Stripe's own OpenAPI description as JSON Schema, where it is at hand, to hold our requests and the fake's answers against."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs

PATH = Path(__file__).resolve().parents[3] / "shared" / "data" / "stripe" / "openapi-2023-09.json"
WHY_SKIPPED = "Stripe's OpenAPI description is not at ../shared/data/stripe/openapi-2023-09.json"


class StripeSpec:
    """The description of 2023-09. Newer parameters are checked against the SDK's types instead."""

    def __init__(self) -> None:
        document = json.loads(PATH.read_text())
        self.paths: dict[str, Any] = document["paths"]
        self.components = {"schemas": {name: as_json_schema(one) for name, one in document["components"]["schemas"].items()}}
        self._validators: dict[str, jsonschema_rs.Validator] = {}

    def request_schema(self, endpoint: str) -> dict[str, Any]:
        """Schema of a POST's form, or one made of a GET's query parameters."""
        operation = self._operation(endpoint)
        form = operation.get("requestBody", {}).get("content", {}).get("application/x-www-form-urlencoded")
        if endpoint.startswith("POST "):
            schema: dict[str, Any] = as_json_schema(form["schema"])
            return schema
        query = [one for one in operation["parameters"] if one["in"] == "query"]
        return {
            "type": "object",
            "properties": {one["name"]: as_json_schema(one["schema"]) for one in query},
            "required": [one["name"] for one in query if one.get("required")],
            "additionalProperties": False,
        }

    def response_schema(self, endpoint: str, status: int) -> dict[str, Any]:
        responses = self._operation(endpoint)["responses"]
        found = responses.get(str(status)) or responses["default"]
        schema: dict[str, Any] = as_json_schema(found["content"]["application/json"]["schema"])
        return schema

    def faults(self, name: str, schema: dict[str, Any], value: Any) -> list[str]:
        """What of `value` the schema does not allow."""
        if name not in self._validators:
            self._validators[name] = jsonschema_rs.validator_for({**schema, "components": self.components})
        return [
            f"{name} at {'/'.join(map(str, fault.instance_path))}: {fault.message[:300]}"
            for fault in self._validators[name].iter_errors(value)
        ]

    def known_fields(self, schema_name: str) -> set[str]:
        return set(self.components["schemas"][schema_name]["properties"])

    def _operation(self, endpoint: str) -> dict[str, Any]:
        method, _, path = endpoint.partition(" ")
        found = self.paths.get(path) or self.paths[_renamed(path, self.paths)]
        operation: dict[str, Any] = found[method.lower()]
        return operation


def _renamed(path: str, paths: dict[str, Any]) -> str:
    """The same path where a placeholder has another name."""
    shape = ["{}" if part.startswith("{") else part for part in path.split("/")]
    return next(one for one in paths if ["{}" if part.startswith("{") else part for part in one.split("/")] == shape)


def as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 to JSON Schema: `nullable` becomes a type of its own."""
    if isinstance(node, list):
        return [as_json_schema(one) for one in node]
    if not isinstance(node, dict):
        return node
    plain = {name: as_json_schema(value) for name, value in node.items() if name not in ("nullable", "format")}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain


def typed_form(value: Any, schema: dict[str, Any]) -> Any:
    """A parsed form's strings as the types its schema names; what fits none stays a string."""
    if isinstance(value, dict):
        options = [one for one in schema.get("anyOf", [schema]) if one.get("type", "object") == "object"]
        properties = options[0].get("properties", {}) if options else {}
        return {name: typed_form(one, properties.get(name, {})) for name, one in value.items()}
    if isinstance(value, list):
        return [typed_form(one, schema.get("items", {})) for one in value]
    types = {one.get("type") for one in schema.get("anyOf", [schema])}
    if "integer" in types and value.lstrip("-").isdigit():
        return int(value)
    if "boolean" in types and value in ("true", "false"):
        return value == "true"
    return value
