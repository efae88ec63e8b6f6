"""Integer money: minor units and a currency, split so that the parts sum to the whole."""

from collections.abc import Sequence

ZERO_DECIMAL = frozenset({"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"})


def minor_digits(currency: str) -> int:
    """Decimal places of a currency's minor unit (ISO 4217, as far as Stripe's zero-decimal list goes)."""
    return 0 if currency in ZERO_DECIMAL else 2


def split_by_weight(amount_minor: int, weights: Sequence[int]) -> list[int]:
    """Splits an amount in proportion to non-negative weights by largest remainder; the parts sum to the amount exactly.

    Ties go to the earlier part. All weights zero splits evenly. ValueError for no weights or a negative one.
    """
    if not weights or min(weights) < 0:
        raise ValueError("weights must be non-empty and not negative")
    total = sum(weights)
    if total == 0:
        return split_by_weight(amount_minor, [1] * len(weights))
    parts = [amount_minor * weight // total for weight in weights]
    remainders = [amount_minor * weight % total for weight in weights]
    order = sorted(range(len(weights)), key=lambda index: (-remainders[index], index))
    for index in order[: amount_minor - sum(parts)]:
        parts[index] += 1
    return parts


def basis_points(amount_minor: int, rate_bp: int) -> int:
    """`rate_bp` ten-thousandths of an amount, rounded down to the minor unit."""
    return amount_minor * rate_bp // 10_000
