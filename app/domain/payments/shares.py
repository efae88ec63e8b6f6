"""Shares of charges as pure arithmetic: what goes back, what stays, and a sum spread over several charges. Minor units throughout."""

from collections.abc import Sequence

WHOLE_BP = 10_000


def kept_of(held_minor: int, refund_bp: int) -> int:
    """What stays of a charge when a share goes back, rounded down: the odd minor unit is the rider's."""
    return held_minor * (WHOLE_BP - refund_bp) // WHOLE_BP


def back_of(held_minor: Sequence[int], refund_bp: int) -> int:
    """What comes back of charges that hold these amounts: each is rounded by itself."""
    return sum(held - kept_of(held, refund_bp) for held in held_minor)


def spread_over(amount_minor: int, held_minor: Sequence[int]) -> list[int]:
    """An amount taken from charges in their order, from each no more than it holds; what they cannot carry is left out."""
    parts = []
    for held in held_minor:
        part = max(0, min(amount_minor, held))
        parts.append(part)
        amount_minor -= part
    return parts
