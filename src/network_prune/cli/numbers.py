"""Numbers that an option takes as text."""

from network_prune.errors import ArgumentError


def read_numbers(name: str, text: str | None) -> tuple[float, ...] | None:
    """Return the numbers in ``text``, with commas between them; None for None.

    Raises:
        ArgumentError: they aren't numbers.
    """
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentError(f"{name}={text!r} isn't numbers; pass e.g. 0.485,0.456,0.406") from None
