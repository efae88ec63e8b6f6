"""A report on one plan as a single HTML file: map, costs, timetable, who stays behind, improvement against the bound."""

from collections.abc import Callable, Mapping
from html import escape

from solver.labels import FEW_DUTIES, FULL_PERCENT
from solver.palette import OTHERS, PICKED
from solver.picture import draw_sketch, legend_of, legend_text
from solver.plan import Plan, PlannedDuty
from solver.problem import Problem
from solver.result import Progress, Result
from solver.sketch import Sketch, SketchDuty, sketch_of

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#141413;background:#faf9f5;max-width:1080px;margin:2rem auto;padding:0 1rem}
h1,h2{font-weight:600;letter-spacing:-.01em}table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}
td,th{padding:.25rem .6rem;border-bottom:1px solid #dedbd0;text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.figures{display:flex;gap:2.5rem;flex-wrap:wrap}
.figures div{font-size:1.4rem;font-variant-numeric:tabular-nums}.figures small{display:block;font-size:.8rem;color:#5e5d59}
svg.wide{width:100%;height:auto;border:1px solid #dedbd0}.plan{max-width:860px;margin:0 auto}.plan svg{width:100%;height:auto}
.legend{display:flex;flex-wrap:wrap;gap:0 1.2rem;margin:1rem 0;padding:.5rem .8rem;border:1px solid #dedbd0;max-height:15rem;overflow:auto}
.legend label{display:flex;align-items:center;gap:.4rem;min-height:1.7rem;cursor:pointer}.legend input{margin:0;accent-color:#2664e0}
.soft{color:#5e5d59}
.time{white-space:nowrap;font-variant-numeric:tabular-nums}
text.soft{fill:#5e5d59}text.cost{fill:#a94f31}text.bound{fill:#2f6690}.paper{fill:none}.plan-paper{fill:none}
@media(max-width:600px){h1{font-size:1.5rem}.plan-way{vector-effect:non-scaling-stroke}.figures{gap:.8rem 1.6rem}
.plan-name,.plan-load{display:none}
.duties,.duties tbody{display:block}.duties tr{display:grid;grid-template-columns:1fr 1fr;border-bottom:1px solid #dedbd0;padding:.5rem 0}
.duties tr:first-child{display:none}.duties td{border:0;padding:.1rem .4rem .1rem 0}.duties td.n{text-align:left}
.duties td[data-is]::before{content:attr(data-is) " ";color:#5e5d59}.duties td:first-child{grid-column:1/-1;font-weight:600}}
@media(prefers-color-scheme:dark){body{background:#1f1e1d;color:#f0eee6}td,th,svg.wide,.legend,.duties tr{border-color:#3d3d3a}
.soft,.figures small,.duties td[data-is]::before{color:#a3a196}.plan-name,.plan-load{fill:#f0eee6;stroke:#1f1e1d}
.plan-stop{fill:#1f1e1d;stroke:#f0eee6}.plan-left{stroke:#f0eee6}.plan-venue{fill:#f0eee6;stroke:#1f1e1d}
text.soft{fill:#a3a196}text.cost{fill:#e08a6b}text.bound{fill:#7fb2dd}}
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
    sketch = sketch_of(problem, plan)
    boxes = "".join(f"<div><small>{escape(name)}</small>{escape(value)}</div>" for name, value in figures)
    behind = "".join(
        f'<tr><td>{escape(u.party)}<td class="n">{persons[u.party]}<td>{escape(u.reason)}<td>{escape(u.detail)}' for u in plan.unserved
    )
    unserved = f'<h2>Left behind</h2><table><tr><th>party<th class="n">people<th>reason<th>detail{behind}</table>' if behind else ""
    history = f"<h2>How it came about</h2>{draw_history(result.history)}" if result.history else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(problem.name)}</title><style>{STYLE}{picking(sketch)}</style><main><h1>{escape(problem.name)}</h1>"
        f'<div class="figures">{boxes}</div><h2>Map</h2><div class="plan">{draw_sketch(sketch, legend=False)}</div>'
        f'<p class="soft">{KEY}</p>{draw_legend(sketch)}{history}<h2>Timetable</h2>{draw_timetable(problem, plan, sketch)}'
        f"{unserved}</main></html>\n"
    )


KEY = (
    "A larger circle has more riders. Dashed: the way back where it is another one. Beside a way: how many of the seats are taken "
    f"(of more than {FEW_DUTIES} buses only where under {FULL_PERCENT} %). "
    "Choose an operator to see it alone, on the map and in the timetable."
)


def picking(sketch: Sketch) -> str:
    """Rules that leave only the chosen operator's ways and rows; without a script, so that every viewer of the file can do it."""
    rules = []
    for row in legend_of(sketch):
        chosen, mine = f"main:has(#pick-{row.operator}:checked)", f":not(.op-{row.operator})"
        rules.append(
            f"{chosen} .plan-way{mine}{{stroke:#8b8880;stroke-opacity:.12}}{chosen} :is(.plan-load,.duties tr+tr){mine}{{display:none}}"
            f"{chosen} .plan-way.op-{row.operator}{{stroke-opacity:1;stroke:{row.colour if row.colour != OTHERS else PICKED}}}"
        )
    return "".join(rules)


def draw_legend(sketch: Sketch) -> str:
    """Every operator with its colour, to choose one."""
    swatch = '<svg width="12" height="12" aria-hidden="true"><rect width="12" height="12" fill="{}"/></svg>'
    choice = '<label><input type="radio" name="pick" id="pick-{}">{} {}</label>'
    rows = [choice.format(row.operator, swatch.format(row.colour), escape(legend_text(row))) for row in legend_of(sketch)]
    everybody = '<label><input type="radio" name="pick" id="pick-all" checked>all operators</label>'
    return f'<fieldset class="legend"><legend>Operators</legend>{everybody}{"".join(rows)}</fieldset>'


def draw_timetable(problem: Problem, plan: Plan, sketch: Sketch) -> str:
    """A row per duty."""
    names = {stop.id: stop.name or stop.id for stop in problem.stops}
    rows = "".join(
        _duty_row(names, duty, drawn, sketch.operators[drawn.operator]) for duty, drawn in zip(plan.duties, sketch.duties, strict=True)
    )
    head = '<tr><th>vehicle<th>outbound<th>return<th class="n">full<th class="n">km<th class="n">hire'
    return f'<table class="duties"><tbody>{head}{rows}</tbody></table>'


def _duty_row(names: Mapping[str, str], duty: PlannedDuty, drawn: SketchDuty, operator: str) -> str:
    legs = [
        "<br>".join(f'<span class="time">{clock(row.arrive_s)}</span> {escape(names[row.stop])}' for row in rows) or "empty"
        for rows in (duty.outbound, duty.return_)
    ]
    crew = ", two drivers" if duty.drivers > 1 else ""
    times = f"{clock(duty.depot_out_s)} to {clock(duty.depot_in_s)}"
    return (
        f'<tr class="op-{drawn.operator}"><td>{escape(duty.vehicle)}, {escape(operator)}{crew}<br><span class="time">{times}</span>'
        f'<td>{legs[0]}<td>{legs[1]}<td class="n" data-is="full">{drawn.full} %'
        f'<td class="n" data-is="km">{duty.distance_m / 1000:,.0f}<td class="n" data-is="hire">{duty.cost_minor / 100:,.2f}'
    )


def draw_history(history: tuple[Progress, ...]) -> str:
    """Cost and bound over time as a small line chart."""
    if not history:
        return ""
    last = max(line.seconds for line in history) or 1.0
    values = [line.cost_minor for line in history] + [line.bound_minor for line in history if line.bound_minor is not None]
    low, high = min(values), max(*values, min(values) + 1)

    def at(seconds: float, minor: int) -> str:
        return f"{40 + 920 * seconds / last:.1f},{30 + 205 * (high - minor) / (high - low):.1f}"

    cost = " ".join(_steps([(line.seconds, line.cost_minor) for line in history], last, at))
    proven = [(line.seconds, line.bound_minor) for line in history if line.bound_minor is not None]
    lines = f'<polyline points="{cost}" fill="none" stroke="#c6613f" stroke-width="2"><title>cost</title></polyline>'
    words = _words("cost", "start", at(0.0, history[0].cost_minor), history[0].cost_minor)
    words += _words("cost", "end", at(last, history[-1].cost_minor), history[-1].cost_minor)
    if proven:
        bound = " ".join(_steps(proven, last, at))
        lines += f'<polyline points="{bound}" fill="none" stroke="#3f7cac" stroke-width="2"><title>bound</title></polyline>'
        words += _words("bound", "end", at(last, proven[-1][1]), proven[-1][1])
    return (
        '<svg class="wide" viewBox="0 0 1000 270" font-family="system-ui,sans-serif" font-size="14" role="img">'
        f"<title>Cost and proven bound over {last:.1f} seconds</title>{lines}{words}"
        f'<text class="soft" x="40" y="262">0 s</text><text class="soft" x="960" y="262" text-anchor="end">{last:.1f} s</text></svg>'
    )


def _words(name: str, anchor: str, at: str, minor: int) -> str:
    """A figure above the begin or the end of its line."""
    x, y = at.split(",")
    return f'<text class="{name}" x="{x}" y="{float(y) - 6:.1f}" text-anchor="{anchor}">{name} {minor / 100:,.0f}</text>'


def _steps(points: list[tuple[float, int]], last: float, at: Callable[[float, int], str]) -> list[str]:
    result: list[str] = []
    for number, (seconds, minor) in enumerate(points):
        until = points[number + 1][0] if number + 1 < len(points) else last
        result += [at(seconds, minor), at(until, minor)]
    return result
