"""Seeds 1 to 25 of the simulation. A failing one prints its steps."""

from tests.simulation.holding import seeds_hold

test_nothing_is_lost_doubled_or_left_behind = seeds_hold(1, 25)
