"""Options that are made of text, checked before anything is loaded."""

from typing import Any

from network_prune.errors import ArgumentError


def preprocessing_options(
    resize: int | None,
    crop: int | None,
    interpolation: str | None,
    *,
    mean: str | None,
    std: str | None,
) -> dict[str, Any]:
    """Return what the options say of the preprocessing, by its fields; None says nothing.

    Raises:
        ArgumentError: ``mean`` or ``std`` isn't numbers with commas.
    """
    return {
        "resize": resize,
        "crop": crop,
        "interpolation": interpolation,
        "mean": _numbers("mean", mean),
        "std": _numbers("std", std),
    }


def _numbers(name: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentError(f"{name}={text!r} isn't numbers; pass e.g. 0.485,0.456,0.406") from None
