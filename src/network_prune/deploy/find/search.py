"""The last step that holds, by halving."""

from collections.abc import Callable


def last_that_holds(steps: int, holds: Callable[[int], bool]) -> int:
    """Return the largest step of 1 … ``steps`` that holds, 0 if none does.

    It asks about log2(``steps`` + 1) times, which is right if nothing holds behind a step that
    doesn't. Otherwise it returns a step that was seen to hold, whose next was seen not to.
    """
    low, high = 0, steps + 1
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low
