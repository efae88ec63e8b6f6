"""Seeds 176 to 200 of the simulation. A failing one prints its steps."""

from tests.simulation.holding import seeds_hold

test_nothing_is_lost_doubled_or_left_behind = seeds_hold(176, 200)
