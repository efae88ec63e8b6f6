"""A report on one plan as a single HTML file: map, costs, timetable, who stays behind, improvement against the bound."""

from collections.abc import Callable
from html import escape

from solver.picture import draw_svg, load_factor
from solver.plan import PlannedDuty
from solver.problem import Problem
from solver.result import Progress, Result

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#141413;background:#faf9f5;max-width:1080px;margin:2rem auto;padding:0 1rem}
h1,h2{font-weight:600;letter-spacing:-.01em}table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}
td,th{padding:.25rem .6rem;border-bottom:1px solid #dedbd0;text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.figures{display:flex;gap:2.5rem;flex-wrap:wrap}
.figures div{font-size:1.4rem;font-variant-numeric:tabular-nums}.figures small{display:block;font-size:.8rem;color:#5e5d59}
svg{width:100%;height:auto;border:1px solid #dedbd0}
@media(prefers-color-scheme:dark){body{background:#1f1e1d;color:#f0eee6}td,th,svg{border-color:#3d3d3a}.figures small{color:#a3a196}}
"""


def clock(seconds: int) -> str:
    """Seconds from the problem's epoch as hours and minutes, days beyond the first as +n."""
    day, rest = divmod(seconds, 86400)
    return f"{rest // 3600:02d}:{rest % 3600 // 60:02d}" + (f" {day:+d}d" if day else "")


def money(minor: int, currency: str) -> str:
    return f"{minor / 100:,.2f} {currency}"


def write_html(result: Result) -> str:
    """-> the whole report; nothing in it refers to another file."""
    problem, plan = result.problem, result.plan
    persons = {party.id: party.persons for party in problem.parties}
    served = sum(persons[party] for party in plan.served_parties)
    gap = f"{100 * plan.gap:.1f} %" if plan.gap is not None else "not proven"
    figures = [
        ("hire and ride minutes", money(plan.cost_minor, problem.currency)),
        ("proven gap", gap),
        ("buses", str(len(plan.duties))),
        ("riders seated", f"{served:,} of {sum(persons.values()):,}"),
        ("status", plan.status),
        ("seconds", f"{plan.seconds:.1f}"),
    ]
    boxes = "".join(f"<div><small>{escape(name)}</small>{escape(value)}</div>" for name, value in figures)
    duties = "".join(_duty_row(problem, duty) for duty in plan.duties)
    behind = "".join(
        f'<tr><td>{escape(u.party)}<td class="n">{persons[u.party]}<td>{escape(u.reason)}<td>{escape(u.detail)}' for u in plan.unserved
    )
    unserved = f'<h2>Left behind</h2><table><tr><th>party<th class="n">people<th>reason<th>detail{behind}</table>' if behind else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(problem.name)}</title><style>{STYLE}</style><h1>{escape(problem.name)}</h1>"
        f'<div class="figures">{boxes}</div><h2>Map</h2>{draw_svg(problem, plan)}<h2>How it came about</h2>{draw_history(result.history)}'
        '<h2>Timetable</h2><table><tr><th>vehicle<th>outbound<th>return<th class="n">full<th class="n">km<th class="n">hire'
        f"{duties}</table>"
        f"{unserved}</html>\n"
    )


def _duty_row(problem: Problem, duty: PlannedDuty) -> str:
    names = {stop.id: stop.name or stop.id for stop in problem.stops}
    legs = [
        "<br>".join(f"{clock(row.arrive_s)} {escape(names[row.stop])}" for row in rows) or "empty" for rows in (duty.outbound, duty.return_)
    ]
    crew = " (two drivers)" if duty.drivers > 1 else ""
    full = round(100 * load_factor(problem, duty))
    times = f"{clock(duty.depot_out_s)} to {clock(duty.depot_in_s)}"
    return (
        f'<tr><td>{escape(duty.vehicle)}{crew}<br>{times}<td>{legs[0]}<td>{legs[1]}<td class="n">{full} %'
        f'<td class="n">{duty.distance_m / 1000:,.0f}<td class="n">{duty.cost_minor / 100:,.2f}'
    )


def draw_history(history: tuple[Progress, ...]) -> str:
    """Cost and bound over time as a small line chart."""
    if not history:
        return ""
    last = max(line.seconds for line in history) or 1.0
    values = [line.cost_minor for line in history] + [line.bound_minor for line in history if line.bound_minor is not None]
    low, high = min(values), max(*values, min(values) + 1)

    def at(seconds: float, minor: int) -> str:
        return f"{60 + 900 * seconds / last:.1f},{20 + 200 * (high - minor) / (high - low):.1f}"

    cost = " ".join(_steps([(line.seconds, line.cost_minor) for line in history], last, at))
    proven = [(line.seconds, line.bound_minor) for line in history if line.bound_minor is not None]
    bound = " ".join(_steps(proven, last, at))
    return (
        f'<svg viewBox="0 0 1000 250" font-family="system-ui,sans-serif" font-size="12"><rect width="1000" height="250" fill="#faf9f5"/>'
        f'<polyline points="{cost}" fill="none" stroke="#c6613f" stroke-width="2"><title>cost</title></polyline>'
        f'<polyline points="{bound}" fill="none" stroke="#3f7cac" stroke-width="2"><title>bound</title></polyline>'
        f'<text x="64" y="16" fill="#c6613f">cost {history[-1].cost_minor / 100:,.0f}</text>'
        '<text x="64" y="240" fill="#3f7cac">bound</text>'
        f'<text x="960" y="240" text-anchor="end" fill="#5e5d59">{last:.1f} s</text></svg>'
    )


def _steps(points: list[tuple[float, int]], last: float, at: Callable[[float, int], str]) -> list[str]:
    result: list[str] = []
    for number, (seconds, minor) in enumerate(points):
        until = points[number + 1][0] if number + 1 < len(points) else last
        result += [at(seconds, minor), at(until, minor)]
    return result
