"""Progress of a search reaches the processes that serve pages while it runs, and holds no transaction."""

import asyncio

import msgspec

from app.core.database import Pool
from app.domain.dispatch.solving import Solving
from app.domain.dispatch.solving_map import SolvingMap, legend_of, put_together
from app.domain.dispatch.store import plans
from app.flows.close_booking import dispatch_event
from app.flows.tell_solving import SOLVING, map_kind
from app.web.live_hub import LiveHub
from tests.support.dispatch_world import World, plan_once

DEADLINE_S = 20.0


async def test_a_watcher_sees_cost_bound_and_people_while_the_solver_runs(pool: Pool, world: World) -> None:
    hub, seen = LiveHub(pool), list[Solving]()
    hub.start()
    listening, heard = asyncio.Event(), asyncio.Event()

    async def watch() -> None:
        async for _ in hub.changes(SOLVING, world.event_id):
            listening.set()
            if note := hub.note(SOLVING, world.event_id, at_most_s=DEADLINE_S):
                seen.append(msgspec.json.decode(note, type=Solving))
                heard.set()

    watcher = asyncio.create_task(watch())
    try:
        async with asyncio.timeout(DEADLINE_S):
            await listening.wait()
            await dispatch_event(pool, world.event_id, actor="organiser")
            await plan_once(pool, world)
            async with pool.acquire() as conn:
                stored = (await plans.list_current_plans(conn, world.event_id))[0]
            while not seen or seen[-1].cost_minor != stored.cost_minor:
                heard.clear()
                await heard.wait()
    finally:
        await hub.close()
        await watcher
    assert len(seen) >= 2
    assert [line.cost_minor for line in seen] == sorted((line.cost_minor for line in seen), reverse=True)
    last = seen[-1]
    assert (last.people, last.people_left) == (60, 0)
    assert last.bound_minor is None or last.bound_minor <= last.cost_minor
    assert hub.note("trip", world.event_id, at_most_s=DEADLINE_S) == ""
    assert hub.note(SOLVING, world.event_id, at_most_s=-1.0) == ""


async def test_two_processes_that_serve_pages_both_get_the_picture_of_the_best_plan(pool: Pool, world: World) -> None:
    hubs = [LiveHub(pool), LiveHub(pool)]

    def picture(hub: LiveHub) -> SolvingMap | None:
        return put_together(lambda number: hub.note(map_kind(number), world.event_id, at_most_s=DEADLINE_S))

    async def listen(hub: LiveHub, heard: asyncio.Event) -> None:
        async for _ in hub.changes(map_kind(0), world.event_id):
            heard.set()

    heard = [asyncio.Event() for _ in hubs]
    watchers = [asyncio.create_task(listen(hub, event)) for hub, event in zip(hubs, heard, strict=True)]
    for hub in hubs:
        hub.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            for event in heard:
                await event.wait()
            await dispatch_event(pool, world.event_id, actor="organiser")
            await plan_once(pool, world)
            for hub, event in zip(hubs, heard, strict=True):
                while picture(hub) is None:
                    event.clear()
                    await event.wait()
    finally:
        for hub, watcher in zip(hubs, watchers, strict=True):
            await hub.close()
            await watcher
    shown = [picture(hub) for hub in hubs]
    async with pool.acquire() as conn:
        operators = {row["name"] for row in await conn.fetch("SELECT name FROM operators")}
    assert shown[0] == shown[1]
    assert shown[0] is not None
    assert (shown[0].people, shown[0].people_left) == (60, 0)
    assert sum(stop.people for stop in shown[0].sketch.stops) == 60
    assert {row.name for row in legend_of(shown[0].sketch)} <= operators
    assert sum(row.buses for row in legend_of(shown[0].sketch)) == len(shown[0].sketch.duties) > 0
