"""Seeds 126 to 150 of the simulation. A failing one prints its steps."""

from tests.simulation.holding import seeds_hold

test_nothing_is_lost_doubled_or_left_behind = seeds_hold(126, 150)
