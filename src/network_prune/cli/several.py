"""Several values of an option in one text: ``0.1,0.2``, ``0:0.5:0.1`` and ``weights,neurons``."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from network_prune.errors import ArgumentError, brief
from network_prune.options import MOST_VARIANTS


def split_numbers(name: str, text: str, kind: type) -> list[Any]:
    """Return the numbers that ``text`` says: numbers and ranges with commas between them.

    A range START:STOP:STEP is START, START + STEP and so on, up to STOP, which belongs to it. It
    is counted in decimals, so that 0:0.3:0.1 ends with 0.3 and not with 0.30000000000000004.

    Args:
        name: of the option, for errors.
        text: as it stands on the command line.
        kind: ``int`` or ``float``.

    Raises:
        ArgumentError: a part is neither a number of this kind nor a range, or a range doesn't
            end or has more numbers than a study has variants.
    """
    return [number for part in text.split(",") for number in _part(name, text, part.strip(), kind)]


def split_words(text: str) -> list[str]:
    """Return the words in ``text``, which have commas between them."""
    return [word.strip() for word in text.split(",")]


def _part(name: str, text: str, part: str, kind: type) -> Iterator[Any]:
    try:
        if ":" not in part:
            yield kind(part)
            return
        start, stop, step = map(Decimal, part.split(":"))
        count = _count((stop - start) / step)
        yield from (_exactly(start + place * step, kind) for place in range(count))
    except (ArithmeticError, ValueError):
        example = "1, 1,2 or 1:10:3" if kind is int else "0.1, 0.1,0.2 or 0:0.5:0.1"
        what = "range" if ":" in part else "whole number" if kind is int else "number"
        where = "" if part == text else f": {brief(part)}"
        bounds = f"; STEP leads from START to STOP, in at most {MOST_VARIANTS:,} numbers"
        raise ArgumentError(
            f"{name}={brief(text)}{where} is no {what}; pass numbers with commas between them, or "
            f"START:STOP:STEP, e.g. {example}{bounds if what == 'range' else ''}"
        ) from None


def _count(steps: Decimal) -> int:
    """Return how many numbers a range of so many steps has, unless it leads nowhere."""
    if not 0 <= steps < MOST_VARIANTS:
        raise ValueError(steps)
    return int(steps) + 1


def _exactly(number: Decimal, kind: type) -> Any:
    if kind is int and number != int(number):
        raise ValueError(number)
    return kind(number)
