"""The commands that play the service without the outside world: `demo`, `seed`, `rehearse`. Thin; `app/cli.py` loads them on demand."""

import asyncio
import os
import sys
from typing import NoReturn

import click
import msgspec
from rich.console import Console

from app.core.log import set_up_logging
from app.settings import SettingsFaulty
from app.stage.chaos.director import ChaosPlan
from app.stage.demo import play_demo
from app.stage.errors import StageError
from app.stage.interruption import until_told
from app.stage.rehearsal.rehearse import run_rehearsal
from app.stage.world.seed import seed_world


def fail(message: str) -> NoReturn:
    """Says why on stderr and ends with status 1."""
    click.echo(message, err=True)
    sys.exit(1)


@click.command()
@click.option("--port", type=int, help="Port of the service; its neighbours serve the rest. [default: 8000]")
@click.option("--reset", is_flag=True, help="Forget everything and start over.")
def demo(port: int | None, *, reset: bool) -> None:
    """Run the whole service here with a world in it: database, web, worker, fake Stripe, inbox. Ctrl-C stops it, its data stay."""
    set_up_logging(level="WARNING")
    try:
        play_demo(seed_world, port=port, reset=reset)
    except StageError as error:
        fail(str(error))


@click.command()
def seed() -> None:
    """Put the demo world into an empty database marked demo or test, with the settings of `serve` and no worker running."""
    set_up_logging(level="WARNING")
    try:
        doors = asyncio.run(seed_world(os.environ))
    except (SettingsFaulty, StageError) as error:
        fail(str(error))
    for door in doors.doors:
        click.echo(f"{door.role}: {door.note}\n  {door.url}")


@click.command()
@click.option("--riders", default=600, show_default=True, type=click.IntRange(20, 20_000), help="How many people pledge.")
@click.option("--seed", default=1, show_default=True, help="The same seed plays the same crowd.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on the last line.")
@click.option("--url", help="Play through this running service (database marked demo or test) instead of a private stack.")
@click.option("--inbox", help="The inbox of that service. [default: its demo's own]")
@click.option("--kill-worker", is_flag=True, help="Kill the private stack's worker between a charge and its answer.")
@click.option("--rough", is_flag=True, help="Let the private stack's fake Stripe lose replies, answer 500 and scramble webhooks.")
@click.option("--chaos", is_flag=True, help="Break everything that can break, one after another, while the event is played.")
def rehearse(
    *, riders: int, seed: int, as_json: bool, url: str | None, inbox: str | None, kill_worker: bool, rough: bool, chaos: bool
) -> None:
    """Play a whole event, from a burst of pledges to the last check-in, then check every invariant. Exit status 1 on any violation."""
    if url and (kill_worker or rough or chaos):
        fail("--kill-worker, --rough and --chaos need a private stack: leave --url out")
    set_up_logging(level="WARNING")
    console = Console(stderr=as_json)
    try:
        report, broken = until_told(
            run_rehearsal(
                riders=riders, seed=seed, url=url, console=console, kill_worker=kill_worker, rough=rough, inbox_url=inbox,
                chaos=ChaosPlan() if chaos else None,
            )
        )  # fmt: skip
    except StageError as error:
        fail("\n".join([str(error), *getattr(error, "__notes__", [])]))
    if broken is not None:
        console.print(f"broke and recovered: {broken.faults}; slowest recoveries, s: {broken.slowest_recovery_s}", highlight=False)
        console.print(f"acknowledged writes looked for in the database: {broken.acknowledged:,}", highlight=False)
        for name in broken.skipped:
            console.print(f"skipped, not possible here: {name}", highlight=False)
    if as_json:
        shown = msgspec.to_builtins(report) | ({} if broken is None else {"chaos": msgspec.to_builtins(broken)})
        click.echo(msgspec.json.encode(shown).decode())
    sys.exit(1 if report.violations else 0)
