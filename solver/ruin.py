"""Routes of many stops, where sets of stops are too many to enumerate: take strings of stops off near routes, put each back best.

Slack induction by string removals (Christiaens and Vanden Berghe, "Slack Induction by String Removals for Vehicle Routing
Problems", Transportation Science 54(2), 2020). A route may change into another class while it is filled, and takes the cheapest one
free afterwards. Whoever finds no seat stays out at a price and is tried first in every later step, so that a full fleet is repacked
until the last party fits. Now and then the best of all routes seen is put together (partition.py). For problems whose legs are alike.
"""

import math
import random
import time
from collections.abc import Callable, Sequence

from solver.admit import Gate
from solver.children import Slice
from solver.draft import Draft, Duty
from solver.instance import Ints
from solver.partition import Seen
from solver.pricing import NEVER
from solver.strings import Roads, Route, Unit, free_of

STRINGS, LONGEST, AVERAGE = 4, 10, 8  # routes touched, stops of one string, stops taken off in all
WHOLE = 0.06  # how often whole routes come off: other numbers of vehicles of other sizes are hardly found otherwise
BLINK = 0.02  # of the places are overlooked
WARM, COLD = 0.08, 0.0005  # temperatures, as shares of what a duty costs
NEAR = 0.2  # of what a duty costs: routes of tries that lose no more are remembered
AGAIN = 0.2  # of the first temperature, in later slices
MILD, MILD_AGAIN = 0.03, 0.6  # the same two for a draft that exact neighbourhoods have been at
SHRINK = 0.5  # how often a route that has lost stops gives its vehicle back for the cheapest that will do
SPLIT, MERGE = 0.4, 0.5  # how often one of those taken off is shared out over two routes, and parts of one stop ride together again
PERSON_PRICE = 3.0  # times what a person costs on average: leaving one behind
NOTES_EVERY = 64
PER_ITERATION = 20  # removals counted as one neighbourhood
PARTITION_AT, MILD_PARTITION_AT = (0.4, 0.7, 0.9), 0.9  # of a slice
PARTITION_WORK, PARTITION_SHARE = 1.0, 0.08
State = tuple[list[Route], list[int], list[Unit], float]  # routes, free vehicles, who is left, what it saves


class Ruin:
    """Search over drafts of one instance; the first `fixed` duties stay as they are."""

    def __init__(self, gate: Gate) -> None:
        self.gate, self.instance = gate, gate.instance
        self.roads = Roads(self.instance)
        self.rng = random.Random(0)  # noqa: S311 - a search, no secret
        self.person, self.mild = 0.0, False
        self.changed: list[Route] = []  # by the last removal
        self.seen = Seen(self.roads)
        self.runs = 0

    def run(
        self,
        draft: Draft,
        piece: Slice,
        *,
        count: Ints,
        fixed: int,
        mild: bool = False,
        on_better: Callable[[Draft], None] | None = None,
    ) -> tuple[Draft, int]:
        """-> the best draft of a slice, and how many neighbourhoods it counts for."""
        self.rng, self.mild = random.Random(piece.seed), mild  # noqa: S311 - as above
        most = None if piece.iterations is None else piece.iterations * PER_ITERATION
        started, until = time.monotonic(), None if piece.seconds is None else time.monotonic() + piece.seconds
        kept, (routes, left) = draft.duties[:fixed], self.apart(draft, fixed)
        self.person = PERSON_PRICE * max(1, draft.cost) / max(1, sum(r.persons for r in self.instance.riders))
        others = tuple(party for party in draft.left if not self.gate.servable(party))
        free, warm = free_of(count, draft.duties), self.warmth(mild=mild) * draft.cost / max(1, len(draft.duties))
        vehicles = [n + sum(route.klass == k for route in routes) for k, n in enumerate(free)]
        near = NEAR * draft.cost / max(1, len(draft.duties))
        turns, done, told, self.runs = self.turns(mild=mild, timed=most is None), 0, 0, self.runs + 1
        self.seen.add(routes)
        best, best_left, least = routes, left, self.rank(routes, left)
        while (routes or left) and (most is None or done < most) and (until is None or time.monotonic() < until):
            share = done / most if most else (time.monotonic() - started) / max(1e-9, piece.seconds or 1.0)
            done += 1
            if turns and share >= turns[0]:
                del turns[0]
                seconds = 60.0 if piece.seconds is None else PARTITION_SHARE * piece.seconds
                found = self.seen.best(best, vehicles, work=PARTITION_WORK, seconds=seconds)
                if found is not None:
                    routes, left = found, best_left
                    free = [n - sum(route.klass == k for route in routes) for k, n in enumerate(vehicles)]
            else:
                new, used, out, gain = self.shaken(routes, free, left)
                if gain > -near:
                    self.seen.add(self.changed)
                heat = warm * (COLD / WARM) ** min(1.0, share)
                if gain - heat * math.log(max(1e-12, self.rng.random())) <= 0:
                    continue
                routes, free, left = new, used, out
            if (rank := self.rank(routes, left)) < least:
                best, best_left, least = routes, left, rank
                if on_better is not None and done > told + NOTES_EVERY:
                    told = done
                    on_better(self.together(kept, best, best_left, others))
        return self.together(kept, best, best_left, others), -(-done // PER_ITERATION)

    def warmth(self, *, mild: bool) -> float:
        """The first temperature, as a share of what a duty costs: the first slice finds the region, later ones stay in it."""
        first, again = (MILD, MILD_AGAIN) if mild else (WARM, AGAIN)
        return first * again if self.runs else first

    def turns(self, *, mild: bool, timed: bool) -> list[float]:
        """When in a slice the best of all routes seen is put together: also at the start of a later one, see what has come to be known."""
        if mild:
            return [MILD_PARTITION_AT]
        return ([0.0, *PARTITION_AT] if self.runs else list(PARTITION_AT)) if timed else [PARTITION_AT[-1]]  # others are short

    def rank(self, routes: Sequence[Route], left: Sequence[Unit]) -> tuple[int, int]:
        """Smaller is better: persons left behind, then cost."""
        return sum([unit.persons for unit in left]), sum([route.cost for route in routes])

    def apart(self, draft: Draft, fixed: int) -> tuple[list[Route], list[Unit]]:
        """-> the duties as routes, and those left behind who could ride."""
        routes = list[Route]()
        for duty in draft.duties[fixed:]:
            members: dict[int, list[int]] = {stop: [] for stop in duty.outbound}
            for party in duty.parties:
                members[self.instance.riders[party].stop].append(party)
            routes.append(self.roads.route(duty.klass, [self.roads.unit(parties) for parties in members.values()]))
            routes[-1].cost = duty.cost
        return routes, [self.roads.unit((party,)) for party in draft.left if self.gate.servable(party)]

    def together(self, kept: Sequence[Duty], routes: Sequence[Route], left: Sequence[Unit], others: tuple[int, ...]) -> Draft:
        """The routes as a draft, priced by the real rules."""
        behind = [*others, *(party for unit in left for party in unit.parties)]
        return Draft((*kept, *(self.roads.duty(route) for route in routes)), tuple(sorted(behind)))

    def shaken(self, routes: list[Route], free: list[int], left: list[Unit]) -> State:
        """Other routes for the same people; the very same ones where somebody's new route cannot be driven."""
        touched, taken = self.strings(routes)
        spare, now, marks = free.copy(), list(routes), set(touched)
        for i, units in touched.items():
            self.reduce(now, i, units, spare)
        out = list[Unit]()
        for unit in self.in_order([*(self.regrouped(taken, now) if self.mild else taken), *left]):
            if not self.put(now, unit, spare, marks):
                out.append(unit)
        self.changed = []
        before = sum([routes[i].cost for i in marks if i < len(routes)])
        after = self.settle(now, sorted(marks), spare)
        if after is None:
            return routes, free, left, -math.inf
        self.changed = [now[i] for i in marks if now[i].units]
        behind = sum([unit.persons for unit in left]) - sum([unit.persons for unit in out])
        return [route for route in now if route.units], spare, out, before - after + behind * self.person

    def reduce(self, now: list[Route], i: int, units: list[Unit], spare: list[int]) -> None:
        """Takes everybody but these off a route, which may get a smaller vehicle for it."""
        route = self.roads.route(now[i].klass, units)
        spare[route.klass] += 1
        if units:
            if self.rng.random() < SHRINK:
                hire, klass = self.roads.cheapest(route, spare)
                route = self.roads.route(klass, units) if hire < NEVER and klass != route.klass else route
            spare[route.klass] -= 1
        now[i] = route

    def regrouped(self, taken: list[Unit], now: list[Route]) -> list[Unit]:
        """The same people, now and then in other units: parts of a stop as one, or one in two, of which the first fills a route."""
        rng, roads = self.rng, self.roads
        stops: dict[int, list[Unit]] = {}
        for unit in taken:
            stops.setdefault(unit.stop, []).append(unit)
        if len(stops) < len(taken):
            for stop, parts in stops.items():
                if len(parts) > 1 and rng.random() < MERGE:
                    stops[stop] = roads.joined(parts)
        units = [unit for parts in stops.values() for unit in parts]
        if not units or rng.random() >= SPLIT:
            return units
        chosen = units[rng.randrange(len(units))]
        foes, seats = roads.foes[chosen.stop], roads.seats
        open_seats = [seats[route.klass] - route.seats for route in now if route.units and not route.called & foes]
        rooms = [room for room in open_seats if 0 < room < chosen.seats]
        parts = roads.parted(chosen, rng.choice(rooms)) if rooms else [chosen]
        return [*(unit for unit in units if unit is not chosen), *parts]

    def in_order(self, units: list[Unit]) -> list[Unit]:
        """Whom to put back first: at random, the largest, the farthest or the nearest."""
        way, away = self.rng.choice(("any", "large", "far", "near")), self.roads.rows_s[0]
        self.rng.shuffle(units)
        if way == "large":
            units.sort(key=lambda unit: -unit.persons)
        elif way != "any":
            units.sort(key=lambda unit: away[unit.stop], reverse=way == "far")
        return units

    def put(self, now: list[Route], unit: Unit, spare: list[int], marks: set[int]) -> bool:
        """Puts a unit where it adds least cost, but for a few places overlooked; False if it fits nowhere."""
        rnd, offers, best, where = self.rng.random, self.roads.offers, math.inf, -1
        chosen, who, foes, seats, room = (0, 0), unit.number, self.roads.foes[unit.stop], unit.seats, self.roads.room
        for number, route in enumerate(now):
            if route.called & foes or route.seats + seats > room[route.klass] or not route.units or rnd() < BLINK:
                continue
            known = route.offers.get(who)
            for more, klass, at in offers(route, unit) if known is None else known:
                if more >= best:
                    break
                if klass == route.klass or spare[klass] > 0:
                    best, where, chosen = more, number, (klass, at)
                    break
        for hire, klass in self.roads.alone(unit):
            if spare[klass] > 0:
                if hire < best:
                    now.append(self.roads.route(klass, [unit]))
                    spare[klass] -= 1
                    marks.add(len(now) - 1)
                    return True
                break
        if where < 0:
            return False
        klass, at = chosen
        old = now[where]
        spare[old.klass] += 1
        spare[klass] -= 1
        now[where] = self.roads.route(klass, [*old.units[:at], unit, *old.units[at:]])
        marks.add(where)
        return True

    def strings(self, routes: list[Route]) -> tuple[dict[int, list[Unit]], list[Unit]]:
        """-> what is left of the routes touched, and the units taken off."""
        home: dict[int, list[int]] = {}
        for i, route in enumerate(routes):
            for unit in route.units:
                home.setdefault(unit.stop, []).append(i)
        rng, touched, taken = self.rng, dict[int, list[Unit]](), list[Unit]()
        if not home:
            return touched, taken
        seed, wanted, whole = rng.choice(list(home)), 1 + rng.randrange(STRINGS), rng.random() < WHOLE
        for stop in self.roads.near[seed]:
            for i in home.get(stop, ()):
                if i in touched or len(touched) >= wanted or len(taken) >= (3 if whole else 2) * AVERAGE:
                    continue
                units = routes[i].units
                at = next(n for n, unit in enumerate(units) if unit.stop == stop)
                size = len(units) if whole else 1 + rng.randrange(min(LONGEST, len(units)))
                first = max(0, min(at - rng.randrange(size), len(units) - size))
                touched[i] = units[:first] + units[first + size :]
                taken += units[first : first + size]
            if len(touched) >= wanted:
                break
        return touched, taken

    def settle(self, routes: list[Route], marks: list[int], free: list[int]) -> int | None:
        """Gives every changed route the cheapest vehicle there is for it -> what they cost; None if one cannot be driven."""
        total = 0
        changed = [i for i in marks if routes[i].units]
        for i in changed:
            free[routes[i].klass] += 1
        for i in sorted(changed, key=lambda i: -routes[i].seats):
            hire, klass = self.roads.cheapest(routes[i], free)
            if klass < 0:
                return None
            free[klass] -= 1
            if klass != routes[i].klass:
                routes[i] = self.roads.route(klass, routes[i].units)
            routes[i].cost = hire
            total += hire
        return total
