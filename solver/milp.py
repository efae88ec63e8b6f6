"""Linear and integer programmes for GLOP and CP-SAT, through MathOpt's columnar protos: a few array copies, no call per coefficient."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from ortools.math_opt import callback_pb2, model_parameters_pb2, model_pb2, parameters_pb2, result_pb2
from ortools.math_opt.core.python import solver as math_opt

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NO_UPPER = float("inf")


@dataclass(frozen=True, kw_only=True)
class Programme:
    """Minimise cost x, low <= A x <= high, 0 <= x <= upper; A as triplets (row, column, value)."""

    cost: Floats
    upper: Floats
    low: Floats
    high: Floats
    rows: Ints
    columns: Ints
    values: Floats


@dataclass(frozen=True, kw_only=True)
class LinearAnswer:
    """An optimal basis: value, primal values, reduced costs, duals."""

    value: float
    x: Floats
    reduced: Floats
    duals: Floats


@dataclass(frozen=True, kw_only=True)
class IntegerAnswer:
    """The best whole-number point found, if any, and whether the search was exhausted."""

    value: float | None
    x: Floats
    bound: float
    proven: bool


def build(programme: Programme, *, integer: bool) -> model_pb2.ModelProto:
    """The programme as a MathOpt model."""
    model = model_pb2.ModelProto()
    count, rows = len(programme.cost), len(programme.low)
    ids = range(count)
    model.variables.ids.extend(ids)
    model.variables.lower_bounds.extend([0.0] * count)
    model.variables.upper_bounds.extend(programme.upper.tolist())
    model.variables.integers.extend([integer] * count)
    model.objective.linear_coefficients.ids.extend(ids)
    model.objective.linear_coefficients.values.extend(programme.cost.tolist())
    model.linear_constraints.ids.extend(range(rows))
    model.linear_constraints.lower_bounds.extend(programme.low.tolist())
    model.linear_constraints.upper_bounds.extend(programme.high.tolist())
    order = np.lexsort((programme.columns, programme.rows))
    model.linear_constraint_matrix.row_ids.extend(programme.rows[order].tolist())
    model.linear_constraint_matrix.column_ids.extend(programme.columns[order].tolist())
    model.linear_constraint_matrix.coefficients.extend(programme.values[order].tolist())
    return model


def _run(
    model: model_pb2.ModelProto,
    kind: int,
    parameters: parameters_pb2.SolveParametersProto,
) -> result_pb2.SolveResultProto:
    return math_opt.solve(
        model,
        kind,
        parameters_pb2.SolverInitializerProto(),
        parameters,
        model_parameters_pb2.ModelSolveParametersProto(),
        None,
        callback_pb2.CallbackRegistrationProto(),
        None,
        None,
    )


def solve_linear(programme: Programme) -> LinearAnswer | None:
    """GLOP's optimum, or None if it found none."""
    parameters = parameters_pb2.SolveParametersProto(threads=1)
    result = _run(build(programme, integer=False), parameters_pb2.SOLVER_TYPE_GLOP, parameters)
    if result.termination.reason != result_pb2.TERMINATION_REASON_OPTIMAL or not result.solutions:
        return None
    primal, dual = result.solutions[0].primal_solution, result.solutions[0].dual_solution
    return LinearAnswer(
        value=primal.objective_value,
        x=np.array(primal.variable_values.values),
        reduced=np.array(dual.reduced_costs.values),
        duals=np.array(dual.dual_values.values),
    )


def solve_integer(programme: Programme, *, work: float, seconds: float, covering: bool = False) -> IntegerAnswer:
    """CP-SAT's best point within so much deterministic work (and so many seconds, as a safety net).

    `covering` picks the search that branches on the linear relaxation, without looking for symmetries.
    """
    parameters = parameters_pb2.SolveParametersProto(threads=1)
    parameters.time_limit.FromMilliseconds(max(1, int(seconds * 1000)))
    parameters.cp_sat.num_workers = 1
    parameters.cp_sat.max_deterministic_time = work
    parameters.cp_sat.linearization_level = 2
    parameters.cp_sat.cp_model_probing_level = 0
    if covering:
        parameters.cp_sat.subsolvers.append("max_lp")
        parameters.cp_sat.symmetry_level = 0
    result = _run(build(programme, integer=True), parameters_pb2.SOLVER_TYPE_CP_SAT, parameters)
    reason = result.termination.reason
    bound = result.termination.objective_bounds.dual_bound
    if not result.solutions:
        infeasible = reason == result_pb2.TERMINATION_REASON_INFEASIBLE
        return IntegerAnswer(value=None, x=np.zeros(0), bound=np.inf if infeasible else bound, proven=infeasible)
    primal = result.solutions[0].primal_solution
    proven = reason == result_pb2.TERMINATION_REASON_OPTIMAL
    return IntegerAnswer(value=primal.objective_value, x=np.rint(np.array(primal.variable_values.values)), bound=bound, proven=proven)


def restricted(programme: Programme, keep: Ints) -> Programme:
    """The programme over some of its columns."""
    place = np.full(len(programme.cost), -1, np.int64)
    place[keep] = np.arange(len(keep))
    inside = place[programme.columns] >= 0
    return Programme(
        cost=programme.cost[keep],
        upper=programme.upper[keep],
        low=programme.low,
        high=programme.high,
        rows=programme.rows[inside],
        columns=place[programme.columns[inside]],
        values=programme.values[inside],
    )


def below(programme: Programme, most: float) -> Programme:
    """The programme with a row that asks for a cost of at most so much."""
    row, count = len(programme.low), len(programme.cost)
    priced = np.flatnonzero(programme.cost)
    return Programme(
        cost=programme.cost,
        upper=programme.upper,
        low=np.concatenate([programme.low, [-NO_UPPER]]),
        high=np.concatenate([programme.high, [most]]),
        rows=np.concatenate([programme.rows, np.full(len(priced), row)]),
        columns=np.concatenate([programme.columns, np.arange(count)[priced]]),
        values=np.concatenate([programme.values, programme.cost[priced]]),
    )


def with_rows(programme: Programme, weights: Floats, least: Floats) -> Programme:
    """The programme with further rows, each asking for so much at least: `weights` is row x column, over the first columns."""
    rows, columns = np.nonzero(weights)
    return Programme(
        cost=programme.cost,
        upper=programme.upper,
        low=np.concatenate([programme.low, least]),
        high=np.concatenate([programme.high, np.full(len(least), NO_UPPER)]),
        rows=np.concatenate([programme.rows, len(programme.low) + rows]),
        columns=np.concatenate([programme.columns, columns]),
        values=np.concatenate([programme.values, weights[rows, columns]]),
    )
