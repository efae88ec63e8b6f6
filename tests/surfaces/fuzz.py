"""Calls of an operation of the OpenAPI document that nobody would write by hand, and what its answers were not allowed to be."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from itertools import islice
from typing import Any

import msgspec
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation.modes import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

Operation = APIOperation[Any, Any, Any, Any]
EXAMPLES = int(os.environ.get("BUSLOAD_FUZZ_EXAMPLES", "3"))  # of each operation, kind of input and owner of the ids
DESCRIBED: list[Any] = [status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance]
REFUSED: list[Any] = [negative_data_rejection, missing_required_header, unsupported_method]
BOTH = list(GenerationMode)
OWN_STATUS = {("/oembed", 501)}  # its specification asks for it where another format than JSON is wanted
SENTENCE = re.compile(r"\w+\W+\w+\W+\w+")
GENERATED = settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls an operation, and the ids of what is theirs (none: it is tried with ids that nobody has only)."""

    base_url: str
    bearer: str | None
    own_ids: dict[str, str]


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What was not as described, each fault once, and how often each status was answered."""

    faults: set[str] = msgspec.field(default_factory=set)
    statuses: Counter[int] = msgspec.field(default_factory=Counter)


def operations_in(document: dict[str, Any]) -> dict[str, Operation]:
    """`METHOD /path` of the document's operations."""
    schema = schemathesis.openapi.from_dict(document)
    schema.config.generation.with_security_parameters = False  # who calls is the test's to say
    found: list[Any] = [one.ok() for one in schema.get_all_operations()]  # type: ignore[union-attr]  # a faulty one raises here
    return {f"{one.method.upper()} {one.path}": one for one in found}


def try_out(operation: Operation, caller: Caller, findings: Findings) -> None:
    """Calls it with input that fits and with input that does not, about what is the caller's own and about what nobody has."""
    with requests.Session() as session:
        session.trust_env = False
        if caller.bearer:
            session.headers["Authorization"] = caller.bearer
        own = {one.name: caller.own_ids[one.name] for one in operation.path_parameters if one.name in caller.own_ids}
        for own_ids in [{}, own] if own else [{}]:
            for case in [*enumerated(operation, own_ids), *generated(operation, own_ids)]:
                answer = case.call(base_url=caller.base_url, session=session, allow_redirects=False, timeout=30, stream=False)
                findings.statuses[answer.status_code] += 1
                findings.faults.update(faults_of(case, answer))


def enumerated(operation: Operation, own_ids: dict[str, str]) -> Iterator[Any]:
    """The edges of each field and parameter, missing headers and methods the path does not have; a different few of them per owner."""
    cases = list(
        operation.schema.iter_coverage_cases(operation, generation_modes=BOTH, generation_config=operation.schema.config.generation)
    )
    step = max(1, len(cases) // (3 * EXAMPLES))
    for case in islice(cases, 1 if own_ids else 0, None, step):
        case.path_parameters = {**(case.path_parameters or {}), **own_ids}
        yield case


def generated(operation: Operation, own_ids: dict[str, str]) -> list[Any]:
    """Whatever fits the description, and whatever does not."""
    fixed: dict[str, Any] = {"path_parameters": own_ids} if own_ids else {}
    found: list[Any] = []
    for mode in BOTH:

        @GENERATED
        @given(case=operation.as_strategy(mode, **fixed))
        def draw(case: Any) -> None:
            found.append(case)

        with suppress(Unsatisfiable) if mode is GenerationMode.NEGATIVE else nullcontext():  # where no input could be wrong
            draw()
    return found


def faults_of(case: Any, answer: Any, checks: list[Any] | None = None) -> list[str]:
    """What the document does not say of this answer, and a refusal that does not say what to do."""
    chosen = checks or [*DESCRIBED, *REFUSED]
    if (case.path, answer.status_code) not in OWN_STATUS:
        chosen = [not_a_server_error, *chosen]
    try:
        case.validate_response(answer, checks=chosen)
    except FailureGroup as group:
        return [f"{case.method} {case.path} {answer.status_code}: {one.title}: {one.message}"[:700] for one in group.exceptions]
    if answer.status_code < 400:
        return []
    problem = answer.json()
    if not SENTENCE.search(problem["detail"]):
        return [f"{case.method} {case.path} {answer.status_code}: does not say what to do: {problem}"]
    is_named = problem["code"] not in {"invalid_input", "unknown_field"} or problem["errors"]
    return [] if is_named else [f"{case.method} {case.path} {answer.status_code}: names no field: {problem}"]
