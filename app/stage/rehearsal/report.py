"""What a rehearsal found: counts, money, times, violations."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from rich.console import Console
from rich.table import Table

from app.stage.rehearsal.promises import Promises


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome. Money is minor units by currency; `seconds` are per stage; `violations` count by invariant (none: {})."""

    riders: int
    pledges: int
    trips_confirmed: int
    trips_expired: int
    withdrawals: int
    dropped: int
    charged_minor: dict[str, int]
    refunded_minor: dict[str, int]
    offers_declined: int
    resolves: int
    duties: int
    manifests: int
    check_ins: int
    unserved_people: int
    payouts: int
    paid_out_minor: dict[str, int]
    seconds: dict[str, float]
    violations: dict[str, int]


class Notes:
    """What is counted while the event is played. `details` say more of each violation."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.counts: dict[str, int] = {}
        self.paid_out: Counter[str] = Counter()
        self.details: dict[str, list[str]] = {}
        self.promises = Promises()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage; a name that comes again adds up."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - began, 2)

    def count(self, name: str, by: int = 1) -> None:
        """Adds to a figure."""
        self.counts[name] = self.counts.get(name, 0) + by

    def violated(self, invariant: str, details: list[str]) -> None:
        """Something that must hold did not."""
        self.details.setdefault(invariant, []).extend(details)

    def report(self, *, riders: int, charged_minor: dict[str, int], refunded_minor: dict[str, int]) -> Report:
        """The figures as they stand."""

        def figure(name: str) -> int:
            return self.counts.get(name, 0)

        return Report(
            riders=riders, pledges=figure("pledges"), trips_confirmed=figure("trips_confirmed"), trips_expired=figure("trips_expired"),
            withdrawals=figure("withdrawals"), dropped=figure("dropped"), charged_minor=charged_minor, refunded_minor=refunded_minor,
            offers_declined=figure("offers_declined"), resolves=figure("resolves"), duties=figure("duties"), manifests=figure("manifests"),
            check_ins=figure("check_ins"), unserved_people=figure("unserved_people"), payouts=figure("payouts"),
            paid_out_minor=dict(self.paid_out), seconds=dict(self.seconds),
            violations={name: len(details) for name, details in sorted(self.details.items())},
        )  # fmt: skip


def print_report(console: Console, report: Report, notes: Notes) -> None:
    """The report for a person."""
    table = Table(title="Rehearsal", show_header=False, title_justify="left")
    fields = msgspec.to_builtins(report)
    for name in Report.__struct_fields__:
        if name in {"seconds", "violations"}:
            continue
        value = fields[name]
        shown = (
            ", ".join(f"{amount / 100:,.2f} {currency}" for currency, amount in value.items()) if isinstance(value, dict) else f"{value:,}"
        )
        table.add_row(name.removesuffix("_minor").replace("_", " "), shown or "nothing")
    table.add_row("seconds", ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in report.seconds.items()))
    console.print(table)
    for name, details in notes.details.items():
        console.print(f"[bold red]VIOLATED[/bold red] {name}: {len(details)}", highlight=False)
        for detail in details[:5]:
            console.print(f"   {detail}", highlight=False, soft_wrap=True)
    if not report.violations:
        console.print("[bold green]No violation.[/bold green] Books and ledger agree to the cent.", highlight=False)
