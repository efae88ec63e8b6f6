"""The commands that play the service without the outside world: `demo`, `seed`, `rehearse`. Thin; `app/cli.py` loads them on demand."""

import asyncio
import os
import sys
from typing import NoReturn

import click

from app.settings import SettingsFaulty
from app.stage.demo import play_demo
from app.stage.errors import StageError
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
    try:
        play_demo(seed_world, port=port, reset=reset)
    except StageError as error:
        fail(str(error))


@click.command()
def seed() -> None:
    """Put the demo world into an empty database marked demo or test, with the settings of `serve` and no worker running."""
    try:
        doors = asyncio.run(seed_world(os.environ))
    except (SettingsFaulty, StageError) as error:
        fail(str(error))
    for door in doors.doors:
        click.echo(f"{door.role}: {door.note}\n  {door.url}")
