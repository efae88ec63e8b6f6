"""`make bench-limits`: what breaks first and at which load, for every kind of load this service meets.

    python -m tests.bench.limits [--quick] [--only widget,mails] [--no-write]

Real processes over real sockets. Prints one JSON object as the last line; exit status 1 when something broke in a way it must not (a 5xx, a
wrong answer, a lost write), not when it was slow or sent people to wait.
"""

import argparse
import asyncio
import os
import resource
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from app.stage.ports import free_port
from app.stage.postgres import EmbeddedPostgres
from app.stage.processes import Child
from app.stage.roles import HOST
from tests.bench.benchmarks_page import finish, write_section
from tests.bench.limits.mailing import mail_with_one_worker
from tests.bench.limits.news import receive_webhooks
from tests.bench.limits.report import TITLE, bad, section
from tests.bench.limits.selling import ask_for_links, pledge_on_many_trips, pledge_on_one_trip, read_trip_page, read_widget
from tests.bench.limits.stepping import Bench, Found, Load, Sizes, find_limit
from tests.bench.limits.travelling import check_in_at_dawn
from tests.bench.limits.watching import watch_one_trip
from tests.bench.pledges.world import World, add_riders, durable_server, open_world, web_process

FULL = Sizes(
    probe_s=1.5, step_s=3.0, first_share=0.5, growth=1.35, most_steps=9, hard_times=3.0, hard_s=2.0,
    watchers=(250, 500, 1_000, 2_000, 4_000, 8_000), mails=400, trips=200, buses=80,
)  # fmt: skip
QUICK = Sizes(
    probe_s=0.4, step_s=0.7, first_share=0.6, growth=2.0, most_steps=3, hard_times=2.0, hard_s=0.5,
    watchers=(200, 1_000), mails=60, trips=200, buses=16,
)  # fmt: skip
RIDERS, QUICK_RIDERS = 12_000, 3_000
MOST_FILES = 65_536
Measure = Callable[[], Awaitable[Found]]


@asynccontextmanager
async def bench_of(world: World, sizes: Sizes) -> AsyncIterator[tuple[Bench, dict[str, str]]]:
    """A web process with the empty route, and the settings it runs with; its payment provider is a port where nobody listens."""
    port = free_port()
    role = web_process(world, "web", port).role
    settings = {**role.settings, "BUSLOAD_STRIPE_BASE": f"http://{HOST}:{free_port()}"}
    web = Child(msgspec.structs.replace(role, settings=settings), log_folder=world.folder)
    await web.start()
    try:
        assert web.pid is not None
        assert world.server.pid is not None
        yield Bench(pool=world.pool, port=port, web=web.pid, postmaster=world.server.pid, sizes=sizes, folder=world.folder), settings
    finally:
        await web.stop()


def loads_of(bench: Bench, settings: dict[str, str], riders: int) -> dict[str, Measure]:
    """Every load by the word that `--only` knows it by. Mails come first: later loads leave mails behind."""
    pool, port, sizes = bench.pool, bench.port, bench.sizes

    def of(build: Callable[[], Awaitable[Load]]) -> Measure:
        async def measure() -> Found:
            return await find_limit(bench, await build())

        return measure

    return {
        "mails": lambda: mail_with_one_worker(bench, settings),
        "page": of(lambda: read_trip_page(pool, port)),
        "widget": of(lambda: read_widget(pool, port)),
        "watchers": lambda: watch_one_trip(bench, riders=riders),
        "sign-in": of(lambda: ask_for_links(pool, port)),
        "webhooks": of(lambda: receive_webhooks(pool, port, secret=settings["STRIPE_WEBHOOK_SECRET"])),
        "phones": of(lambda: check_in_at_dawn(pool, port, buses=sizes.buses)),
        "one": of(lambda: pledge_on_one_trip(pool, port, riders=riders)),
        "many": of(lambda: pledge_on_many_trips(pool, port, riders=riders, trips=sizes.trips)),
    }


async def measure(server: EmbeddedPostgres, folder: Path, *, sizes: Sizes, riders: int, only: set[str]) -> list[Found]:
    """One load after the other on one stack."""
    found = []
    async with open_world(server, folder) as world, bench_of(world, sizes) as (bench, settings):
        await add_riders(world.pool, riders)
        for name, find in loads_of(bench, settings, riders).items():
            if only and name not in only:
                continue
            begin = time.monotonic()
            one = await find()
            print(f"{name}, {time.monotonic() - begin:.0f} s: {msgspec.json.encode(one).decode()}", flush=True)
            found.append(one)
    return found


def main() -> int:
    """Measures, writes, and says whether anything broke that must not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short steps and few of them: shows that it works, its figures say little")
    parser.add_argument("--only", default="", help="some of the loads, with commas")
    parser.add_argument("--no-write", action="store_true", help="leave docs/benchmarks.md alone")
    given = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, MOST_FILES)), hard))
    load_before, begin = round(os.getloadavg()[0], 1), time.monotonic()
    sizes, riders = (QUICK, QUICK_RIDERS) if given.quick else (FULL, RIDERS)
    with durable_server() as server, tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(server, Path(folder), sizes=sizes, riders=riders, only={*given.only.split(",")} - {""}))
    if not given.no_write and not given.only:
        command = f"make bench-limits{' ARGS=--quick' if given.quick else ''}"
        write_section(TITLE, section(found, command=command, load_before=load_before))
    figures = {"limits": msgspec.to_builtins(found), "load_before": load_before, "seconds": round(time.monotonic() - begin)}
    return finish(figures, bad(found))


if __name__ == "__main__":
    raise SystemExit(main())
