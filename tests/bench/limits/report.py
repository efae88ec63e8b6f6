"""The figures as a section of docs/benchmarks.md."""

from collections.abc import Sequence

from tests.bench.benchmarks_page import table, where_and_when
from tests.bench.limits.stepping import Found, Step

TITLE = "Limits"
HEAD = ("load", "budget", "held", "broke at", "what broke", "at its end", "far beyond")
USED_HEAD = ("load, at that step", "process", "PostgreSQL", "generator", "others", "idle", "memory", "sockets", "connections at work")


def section(found: Sequence[Found], *, command: str, load_before: float) -> str:
    """One row for each load."""
    lines = [
        where_and_when(command),
        "Each load is stepped up until its 99th percentile is over the budget; open loop, latency from the planned moment. One web process",
        "(one worker for mails), PostgreSQL with fsync; generator, service and database share this machine, whose load average was",
        f"{load_before} before the run. `x` is the rate as a part of what the empty POST route gave just before: that counts.",
        "For watchers it is the news told in a second. `far beyond` is a rate of several times the limit: how it breaks.",
        "",
        table(HEAD, [row(one) for one in found]),
        "",
        table(USED_HEAD, [used_row(one) for one in found]),
        "",
        f"Cores are processor seconds per second. Broken in a way that must not be: {'; '.join(bad(found)) or 'nothing'}.",
    ]  # fmt: skip
    return "\n".join(lines)


def bad(found: Sequence[Found]) -> list[str]:
    """What broke in a way it must not."""
    return [fault for one in found for fault in one.bad]


def row(one: Found) -> list[str]:
    """A load's limit."""
    last = one.broke or one.held
    return [
        one.name, one.budget, asked(one, one.held), asked(one, one.broke), "; ".join(one.broke.broke + one.broke.bad) if one.broke else "",
        last.at_its_end if last else "", beyond(one, one.hard),
    ]  # fmt: skip


def asked(one: Found, step: Step | None) -> str:
    """A step as rate and ratio."""
    return "none" if step is None else f"{step.asked:,.0f}{one.unit} ({step.of_empty} x), p99 {step.p99_ms:.0f} ms"


def beyond(one: Found, step: Step | None) -> str:
    """What happened far beyond the limit."""
    if step is None:
        return ""
    answers = ", ".join(f"{many} x {status}" for status, many in sorted(step.answers.items()))
    return f"{step.asked:,.0f}{one.unit}: {answers}; p50 {step.p50_ms:.0f} ms"


def used_row(one: Found) -> list[object]:
    """What a load used at the step that broke, or at the last one."""
    last = one.broke or one.held
    if last is None:
        return [one.name, *[""] * 8]
    used = last.used
    return [
        one.name, used.process_cores, used.database_cores, used.generator_cores, used.other_cores, used.idle_cores, f"{used.memory_mb} MB",
        used.sockets, used.connections,
    ]  # fmt: skip
