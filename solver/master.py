"""The restricted master programme of column generation, kept warm in GLOP."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from ortools.linear_solver import pywraplp

from solver.instance import Ints
from solver.legs import Column, Floats

LEAVE_BEHIND = 20.0  # times the average price of a seat: what an unserved seat costs the programme


class Master:
    """Serve the seats of every (stop, leg) with at most `count` vehicles of each class."""

    def __init__(self, needs: Sequence[Ints], legs: int, count: Floats, upper: float) -> None:
        self.needs, self.legs, self.upper = needs, range(legs), upper
        solver = pywraplp.Solver.CreateSolver("GLOP")
        self.solver, self.infinity = solver, solver.infinity()
        self.objective = solver.Objective()
        self.objective.SetMinimization()
        self.rows = [{int(s): solver.Constraint(float(needs[n][s]), self.infinity) for s in np.flatnonzero(needs[n])} for n in self.legs]
        self.shares = [solver.Constraint(-self.infinity, float(c)) for c in count]
        seats = max(1.0, float(sum(needs[n].sum() for n in self.legs)))
        for rows in self.rows:
            for row in rows.values():
                variable = solver.NumVar(0.0, self.infinity, "")
                row.SetCoefficient(variable, 1.0)
                self.objective.SetCoefficient(variable, LEAVE_BEHIND * max(1.0, upper) / seats)
        self.value, self.is_stale = 0.0, True
        self.seen: set[tuple[object, ...]] = set()
        self.columns: list[Column] = []
        self.variables: list[pywraplp.Variable] = []
        self.cuts: list[pywraplp.Constraint] = []
        self.weigh: Callable[[Column], Floats] | None = None  # a column's figures in all cuts there are

    def add_cut(self, least: float, weights: Floats) -> None:
        """A further row over all columns so far; `weigh` must know it before the next column comes."""
        row = self.solver.Constraint(least, self.infinity)
        self.cuts.append(row)
        for number in np.flatnonzero(weights).tolist():
            row.SetCoefficient(self.variables[number], float(weights[number]))
        spare = self.solver.NumVar(0.0, self.infinity, "")  # dearer than any plan, but keeps the programme solvable
        row.SetCoefficient(spare, 1.0)
        self.objective.SetCoefficient(spare, LEAVE_BEHIND * max(1.0, self.upper))

    def add_room(self, leg: int, stops: Iterable[int], seats: int) -> None:
        """Seats of one leg at these stops that cost nothing: the empty ones of a duty there is anyway."""
        room = self.solver.Constraint(-self.infinity, float(seats))
        for stop in stops:
            if stop in self.rows[leg]:
                variable = self.solver.NumVar(0.0, float(self.needs[leg][stop]), "")
                self.rows[leg][stop].SetCoefficient(variable, 1.0)
                room.SetCoefficient(variable, 1.0)

    def add(self, columns: Iterable[Column]) -> int:
        """-> how many of the columns were new."""
        added = 0
        for column in columns:
            key = (column.klass, column.loads[: len(self.legs)], round(column.cost))
            if key in self.seen:
                continue
            self.seen.add(key)
            self.is_stale = True
            added += 1
            variable = self.solver.NumVar(0.0, self.infinity, "")
            self.columns.append(column)
            self.variables.append(variable)
            self.objective.SetCoefficient(variable, column.cost)
            self.shares[column.klass].SetCoefficient(variable, 1.0)
            for n in self.legs:
                load = column.loads[n]
                if load is not None:
                    for stop, seats in zip(load.stops, load.seats, strict=True):
                        self.rows[n][stop].SetCoefficient(variable, float(seats))
            if self.weigh is not None:
                for row, weight in zip(self.cuts, self.weigh(column).tolist(), strict=True):
                    if weight:
                        row.SetCoefficient(variable, weight)
        return added

    def shares_of_columns(self) -> list[tuple[float, Column]]:
        """How much of each column a solution of the present programme uses. Raises ArithmeticError if GLOP fails."""
        if self.is_stale:  # GLOP forgets its solution when columns come
            self.solve()
        return [(variable.solution_value(), column) for variable, column in zip(self.variables, self.columns, strict=True)]

    def solve(self) -> tuple[list[Floats], Floats]:
        """-> duals of the needs per leg (by place), duals of the classes. Raises ArithmeticError if GLOP fails."""
        status = self.solver.Solve()
        if status != pywraplp.Solver.OPTIMAL:
            raise ArithmeticError(f"GLOP ended with status {status}")
        self.value, self.is_stale = self.objective.Value(), False
        duals = []
        for n in self.legs:
            dual = np.zeros(len(self.needs[n]))
            for stop, row in self.rows[n].items():
                dual[stop] = max(0.0, row.dual_value())
            duals.append(dual)
        return duals, np.minimum(0.0, np.array([row.dual_value() for row in self.shares]))
