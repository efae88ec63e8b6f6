"""The command line: one program for serving, working, migrating, seeding, checking, solving and rehearsing.

What only one command needs is imported when that command is asked for: a process that was killed is back the sooner.
"""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click
import msgspec

from app.core.database import open_pool
from app.core.errors import Refusal
from app.domain.payments.gateway import GatewayError
from app.domain.payments.reconcile_store import Reconciliation
from app.domain.payments.stripe_gateway import StripeGateway
from app.flows.grant_organiser import grant_organiser
from app.flows.passkeys import end_sessions_of
from app.flows.personal_data import Standing, erase_by_hand
from app.flows.reconcile import reconcile as reconcile_now
from app.flows.retire_pass_keys import retire_pass_keys
from app.provider import pace_for, stripe_base_for
from app.settings import OPTIONAL, REQUIRED, Settings, SettingsFaulty, read_settings


def fail(message: str) -> NoReturn:
    """Says why on stderr and ends with status 1."""
    click.echo(message, err=True)
    sys.exit(1)


def settings_or_exit() -> Settings:
    """The environment's settings, or the one message that says what to set."""
    try:
        return read_settings(os.environ)
    except SettingsFaulty as faults:
        fail(str(faults))


def database_url_or_exit() -> str:
    """DATABASE_URL, for commands that need nothing else."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        fail(f"DATABASE_URL is not set. Set it to {REQUIRED['DATABASE_URL']}.")
    return url


SETTINGS_HELP = "\b\nSettings, all from the environment:\n" + "\n".join(
    f"  {name}\n      {text}" for name, text in {**REQUIRED, **OPTIONAL}.items()
)


STAGE_COMMANDS = ("demo", "rehearse", "seed")


class Program(click.Group):
    """The commands. Those of the stage are loaded when they are asked for: a server is installed without the packages they need."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command by name."""
        return sorted([*super().list_commands(ctx), *STAGE_COMMANDS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by its name."""
        if cmd_name not in STAGE_COMMANDS:
            return super().get_command(ctx, cmd_name)
        try:
            command: click.Command = getattr(import_module("app.stage.commands"), cmd_name)
        except ModuleNotFoundError as missing:
            return absent(cmd_name, missing.name or "a package")
        return command


def absent(name: str, package: str) -> click.Command:
    """Stands in for a stage command whose packages are not installed."""

    @click.command(name, short_help="Not installed here.", context_settings={"ignore_unknown_options": True})
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def explain(arguments: tuple[str, ...]) -> None:  # noqa: ARG001  whatever was asked of it
        fail(f"`busload {name}` needs {package}: install busload[stage], or run `make setup` in a clone")

    return explain


@click.group(cls=Program, epilog=SETTINGS_HELP, context_settings={"max_content_width": 110})
@click.version_option(package_name="busload")
def main() -> None:
    """Busload sells seats on buses that do not exist yet."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, help="Port to listen on.")
def serve(host: str, port: int) -> None:
    """Run one web process. Any number, on any number of hosts, may share one database."""
    from app.main import serve as serve_web  # noqa: PLC0415  see above

    try:
        serve_web(settings_or_exit(), host=host, port=port)
    except SettingsFaulty as faults:
        fail(str(faults))


@main.command()
def worker() -> None:
    """Run one worker process: timers, charges, refunds, mails, plans. Any number may share one database."""
    import uvloop  # noqa: PLC0415  see above

    from app.worker import run_worker  # noqa: PLC0415  see above

    try:
        uvloop.run(run_worker(settings_or_exit()))
    except SettingsFaulty as faults:
        fail(str(faults))


@main.command()
def migrate() -> None:
    """Bring the database to the newest schema. Safe to run at any time and from several hosts at once."""
    from app.core.migrate import migrate as migrate_database  # noqa: PLC0415  see above

    applied = asyncio.run(migrate_database(database_url_or_exit()))
    click.echo(f"applied {', '.join(applied)}" if applied else "nothing to do: the schema is the newest")


@main.group()
def organiser() -> None:
    """Staff accounts."""


@organiser.command("add")
@click.argument("email")
def organiser_add(email: str) -> None:
    """Make EMAIL an organiser. They sign in with a mail link at BUSLOAD_BASE_URL/sign-in."""

    async def add() -> None:
        async with await open_pool(database_url_or_exit(), min_size=1, max_size=2) as pool:
            await grant_organiser(pool, email)

    try:
        asyncio.run(add())
    except Refusal as refused:
        fail(refused.detail)
    click.echo(f"{email} is an organiser now and signs in with a mail link at {os.environ.get('BUSLOAD_BASE_URL', '')}/sign-in")


@main.group()
def sessions() -> None:
    """Who is signed in."""


@sessions.command("end")
@click.argument("email")
def sessions_end(email: str) -> None:
    """Sign EMAIL out everywhere; `everybody` for every account."""

    async def end() -> int:
        async with await open_pool(database_url_or_exit(), min_size=1, max_size=2) as pool:
            return await end_sessions_of(pool, email=None if email == "everybody" else email)

    click.echo(f"{asyncio.run(end())} sessions ended")


@main.group()
def passes() -> None:
    """Boarding passes."""


@passes.command("rotate")
def passes_rotate() -> None:
    """Accept only passes of the present BUSLOAD_SECRET: run it after a new secret replaced one that leaked."""

    async def retire() -> list[str]:
        settings = settings_or_exit()
        async with await open_pool(settings.database_url, min_size=1, max_size=2) as pool:
            return await retire_pass_keys(pool, secret=settings.secret)

    retired = asyncio.run(retire())
    click.echo(f"retired: {', '.join(retired)}" if retired else "nothing to retire: the present key is the only one")


@main.command()
@click.argument("email")
def erase(email: str) -> None:
    """Take everything personal about EMAIL out, or say what still needs it (exit status 3; done by itself when nothing does)."""

    async def take_out() -> Standing:
        async with await open_pool(database_url_or_exit(), min_size=1, max_size=2) as pool:
            return await erase_by_hand(pool, email=email)

    try:
        standing = asyncio.run(take_out())
    except Refusal as refused:
        fail(refused.detail)
    if not standing.is_done:
        click.echo("Not yet; it will be done by itself once nothing needs the data:\n" + "\n".join(standing.sentences()))
        sys.exit(3)
    click.echo("Erased. The payment provider is told by the worker.")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(*, as_json: bool) -> None:
    """Check database, migrations, Stripe, mail, travel times and every invariant. Exit status 1 when something is wrong."""
    from app.flows.doctor import Finding, examine  # noqa: PLC0415  see above

    async def look() -> list[Finding]:
        return await examine(settings_or_exit())

    findings = asyncio.run(look())
    if as_json:
        click.echo(json.dumps({"findings": [{"check": f.check, "ok": f.ok, "detail": f.detail} for f in findings]}))
    else:
        for finding in findings:
            click.echo(f"{'ok ' if finding.ok else 'BAD'}  {finding.check}{': ' + finding.detail if finding.detail else ''}")
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Only what moved from then on, UTC; all without it.")
def reconcile(*, as_json: bool, since: datetime | None) -> None:
    """Match every balance transaction of Stripe to one movement of the ledger and back. Exit status 1 when something differs."""

    async def compare() -> Reconciliation:
        settings = settings_or_exit()
        async with await open_pool(settings.database_url, min_size=1, max_size=2) as pool:
            gateway = StripeGateway(
                api_key=settings.stripe_api_key,
                base_url=await stripe_base_for(pool, settings),
                pace=pace_for(pool, settings, riders_wait=False),
            )
            try:
                return await reconcile_now(pool, gateway=gateway, since=since.replace(tzinfo=UTC) if since else None)
            finally:
                await gateway.aclose()

    try:
        found = asyncio.run(compare())
    except GatewayError as error:
        fail(f"Stripe could not be asked ({type(error).__name__}: {error}); nothing was compared")
    click.echo(msgspec.json.encode(found).decode() if as_json else describe(found))
    sys.exit(1 if found.findings else 0)


def describe(found: Reconciliation) -> str:
    """A comparison in words: each finding with what it is, where, and what to do."""
    lines = []
    for mark, findings in (("BAD", found.findings), ("..", found.in_flight)):
        for one in findings:
            where = [f"pledge {one.pledge_code}"] if one.pledge_code else []
            where += [f"payment {one.payment_id}"] if one.payment_id else []
            where += [f"ledger {one.transaction_id}"] if one.transaction_id else []
            where += [ref for ref in (one.source_ref, one.movement_ref) if ref]
            lines += [f"{mark}  {one.kind}: {one.what}", f"     where: {', '.join(where)}", f"     do:    {one.do}"]
    lines.append(
        f"{found.movements} movements at Stripe, {found.matched} matched, {len(found.findings)} differences, "
        f"{len(found.in_flight)} still settling"
    )
    return "\n".join(lines)


@main.command()
@click.argument("problem", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Where the plan goes; standard output without it.")
@click.option("--time-limit", default=10.0, show_default=True, help="Seconds to search.")
@click.option("--seed", default=1, show_default=True, help="Same seed and iterations, same plan.")
@click.option("--threads", default=1, show_default=True, help="Processes to search with.")
@click.option("--svg", type=click.Path(path_type=Path), help="Draw the plan.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a report that stands by itself.")
def solve(problem: Path, out: Path | None, time_limit: float, seed: int, threads: int, svg: Path | None, html: Path | None) -> None:
    """Solve a problem file (busload.problem/1). Exit status 2, one message per fault, for a file that breaks the format."""
    from solver import command as solver_command  # noqa: PLC0415  see above

    sys.exit(solver_command.solve_file(problem, out=out, time_limit_s=time_limit, seed=seed, threads=threads, svg=svg, html=html))


if __name__ == "__main__":
    main()
