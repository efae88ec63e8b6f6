"""The plan as a picture on the organisers' dispatch page: while it is searched for, and as it is stored."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from markupsafe import Markup

from app.core.database import Pool
from app.domain.dispatch.plan_map import DrawnDuty, operators_of, sketch_of_duties
from app.domain.dispatch.solving import Solving
from app.domain.dispatch.solving_map import MapOperator, PlanSketch, SolvingMap, draw, legend_of, put_together
from app.flows.tell_solving import SOLVING, map_kind
from app.surfaces.organiser.dispatch_reading import read_dispatch
from app.surfaces.organiser.dispatch_views import DispatchDuty, DispatchView
from app.surfaces.organiser.reading import event_by_code
from app.web.actors import CurrentActor
from app.web.live_hub import LiveHub
from app.web.pages import page

STALE_S = 5.0  # after so long without news a search is over
MOST_NAMES, MOST_DUTIES = 12, 40


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What of a picture is asked for: one operator's number, or None for all; every operator named, or those with most buses."""

    operator: int | None = None
    everyone: bool = False


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A plan as the page draws it; `picked` is the number of the operator chosen from the legend, if it drives."""

    svg: Markup
    buses: int
    legend: list[MapOperator]
    more_operators: int
    picked: int | None
    everyone: bool
    version: int = 0
    seconds: float = 0.0
    people: int = 0
    people_left: int = 0


def picture_of(sketch: PlanSketch, choice: Choice) -> Picture:
    """A picture for the page. The picked operator is in the legend whatever its rank."""
    legend = legend_of(sketch)
    picked = choice.operator if choice.operator in {row.operator for row in legend} else None
    named = [row for number, row in enumerate(legend) if choice.everyone or number < MOST_NAMES or row.operator == picked]
    return Picture(
        svg=Markup(draw(sketch, picked)),  # noqa: S704  numbers, and names the drawing escapes # nosec B704
        buses=len(sketch.duties),
        legend=named,
        more_operators=len(legend) - len(named),
        picked=picked,
        everyone=choice.everyone and len(legend) > MOST_NAMES,
    )


def solving_picture(found: SolvingMap | None, choice: Choice) -> Picture | None:
    """The best plan so far."""
    if found is None:
        return None
    return msgspec.structs.replace(
        picture_of(found.sketch, choice), version=found.version, seconds=found.seconds, people=found.people, people_left=found.people_left
    )


def plan_picture(view: DispatchView, choice: Choice) -> Picture | None:
    """The stored plan."""
    sketch = sketch_of_duties(drawings_of(view))
    return None if sketch is None else picture_of(sketch, choice)


def drawings_of(view: DispatchView) -> list[DrawnDuty]:
    """A plan's duties for its picture."""
    return [DrawnDuty(operator=duty.operator, places=duty.places, calls=duty.calls) for duty in view.duties]


def duties_of(view: DispatchView, operator: int | None) -> Sequence[DispatchDuty]:
    """One operator's duties by its number in the plan's picture; all without a number, or with one that drives nothing."""
    names = operators_of(drawings_of(view))
    if operator is None or not 0 <= operator < len(names):
        return view.duties
    return [duty for duty in view.duties if duty.operator == names[operator]]


def shown_duties(view: DispatchView, choice: Choice) -> Sequence[DispatchDuty]:
    """The duties a page lists: a stadium's hundreds only by operator."""
    found = duties_of(view, choice.operator)
    return found if len(found) < len(view.duties) else found[:MOST_DUTIES]


def read_solving(live: LiveHub, event_id: UUID) -> Solving | None:
    """What the solver told last, if that is news."""
    note = live.note(SOLVING, event_id, at_most_s=STALE_S)
    return msgspec.json.decode(note, type=Solving) if note else None


def read_solving_map(live: LiveHub, event_id: UUID) -> SolvingMap | None:
    """The picture that was told last, if that is news."""
    return put_together(lambda number: live.note(map_kind(number), event_id, at_most_s=STALE_S))


@get("/organiser/events/{code:str}/dispatch/solving", include_in_schema=False)
async def show_solving(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    pool: NamedDependency[Pool],
    live: NamedDependency[LiveHub],
    actor: CurrentActor,
) -> Template:
    """The part of the page that says how the search is getting on; empty when none is."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
    return page(request, "organiser/_solving.html", actor=actor, event=event, solving=read_solving(live, event.id))


@get("/organiser/events/{code:str}/dispatch/solving/map", include_in_schema=False)
async def show_solving_map(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    pool: NamedDependency[Pool],
    live: NamedDependency[LiveHub],
    actor: CurrentActor,
    drawn: FromQuery[int] = 0,
    operator: FromQuery[int | None] = None,
    everyone: FromQuery[int] = 0,
) -> Template | Response[None]:
    """The best plan so far as a drawing; 204 when it is the one numbered `drawn`, or none was heard of: what is shown then stays."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
    found = read_solving_map(live, event.id)
    if found is None or found.version == drawn:
        return Response(None, status_code=204)
    picture = solving_picture(found, Choice(operator=operator, everyone=bool(everyone)))
    return page(request, "organiser/_solving_map.html", actor=actor, event=event, solving_map=picture)


@get("/organiser/events/{code:str}/dispatch/plan", include_in_schema=False)
async def show_plan_map(
    request: Request[Any, Any, Any],
    code: FromPath[str],
    pool: NamedDependency[Pool],
    actor: CurrentActor,
    operator: FromQuery[int | None] = None,
    everyone: FromQuery[int] = 0,
) -> Template:
    """The stored plan as a drawing."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
        view = await read_dispatch(conn, event.id)
    picture = plan_picture(view, Choice(operator=operator, everyone=bool(everyone)))
    return page(request, "organiser/_plan_map.html", actor=actor, event=event, plan_map=picture)


ROUTES = [show_solving, show_solving_map, show_plan_map]
