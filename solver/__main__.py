"""`python -m solver problem.json --out plan.json`: the command line of the library on its own."""

import argparse
import sys

from solver.command import solve_file


def main(arguments: list[str]) -> int:
    """Parses the arguments of `busload solve` and runs it."""
    parser = argparse.ArgumentParser(prog="solver", description="Chooses buses, stops and riders for one event.")
    parser.add_argument("problem", help="a busload.problem/1 file")
    parser.add_argument("--out", help="where the plan goes (standard output if absent)")
    parser.add_argument("--time-limit", type=float, default=10.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--svg", help="also draw the plan here")
    parser.add_argument("--html", help="also write a report here")
    given = parser.parse_args(arguments)
    return solve_file(
        given.problem, out=given.out, time_limit_s=given.time_limit, seed=given.seed, threads=given.threads, svg=given.svg, html=given.html
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
