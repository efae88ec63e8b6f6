"""A bound that is always there: what reaching each stop costs per seat at least, for plans whose real bound did not come in time.

A duty costs at least what reaching any one of its stops and driving the other leg empty would cost its class, therefore also
the average of that over the people aboard, empty seats counting nothing; half of it is taken from each leg.
"""

import math
from collections.abc import Iterable

import numpy as np

from solver.instance import OUTBOUND, RETURN, Instance
from solver.legs import Floats
from solver.pool import closed_side

MOST_STOPS = 300  # the metric closure of more takes too long for a last moment


def floor_minor(instance: Instance, parties: Iterable[int]) -> int | None:
    """No plan serving these parties costs less, minor units; None for problems of very many stops."""
    if instance.stops > MOST_STOPS:
        return None
    per_seat = [cheapest_seats(instance, leg) for leg in (OUTBOUND, RETURN)]
    total = 0.0
    for party in parties:
        riders = instance.riders[party]
        total += riders.seats * sum(per_seat[leg][riders.stop] for leg in (OUTBOUND, RETURN) if riders.legs[leg]) / 2
    return max(0, math.floor(total * (1 - 1e-9)))


def cheapest_seats(instance: Instance, leg: int) -> Floats:
    """Per place the least a seat there can cost on a leg, over all classes; 0 at the venue."""
    rates, here, there = instance.rates, closed_side(instance, leg), closed_side(instance, 1 - leg)
    dwell = np.array(instance.dwell)[None, :]
    metres = here.metres[0][None, :] + here.depot_metres + there.depot_metres[:, :1]
    secs = here.secs[0][None, :] + here.depot_secs + there.depot_secs[:, :1] + dwell
    hire = rates.call_out[:, None] + rates.per_km[:, None] * metres / 1000 + rates.per_h[:, None] * secs / 3600
    hire = np.maximum(rates.minimum[:, None], hire)
    usable = rates.seats > 0
    if not usable.any():
        return np.zeros(instance.stops + 1)
    least = (hire[usable] / rates.seats[usable][:, None]).min(axis=0)
    least[0] = 0.0
    return np.asarray(least, np.float64)
