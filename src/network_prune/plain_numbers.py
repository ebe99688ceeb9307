"""Numbers as callers give them, taken as Python's own: records, hashes and JSON hold no others."""

from decimal import Decimal
from numbers import Integral, Real
from typing import Any


def plain_number(value: Any) -> int | float | None:
    """Return a number as Python's own; None for what isn't one real number.

    Taken are whole and real numbers of Python, Fractions and Decimals among them, and scalars,
    0-d arrays and 0-d tensors of NumPy and PyTorch, by the value that they have: float32's 0.1
    is 0.10000000149011612. Truth values and text aren't numbers.
    """
    if type(value) in (int, float):
        return value
    try:
        value = value.item() if getattr(value, "shape", None) == () else value
        if isinstance(value, bool):
            return None
        if isinstance(value, Integral):
            return int(value)
        return float(value) if isinstance(value, Real | Decimal) else None
    except (AttributeError, OverflowError, RuntimeError, ValueError):
        return None
