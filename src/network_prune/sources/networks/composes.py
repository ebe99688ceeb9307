"""What a Compose of torchvision's transforms does to a picture, read step by step."""

from collections.abc import Sequence
from typing import Any, Final

from network_prune.errors import SourceError

_SCALING: Final = ("ToTensor", "ConvertImageDtype")
_RAW: Final = ("PILToTensor", "ToImage", "ToPureTensor")


def read_compose(steps: Sequence[Any], spec: str) -> dict[str, Any]:
    """Return the fields of `Preprocessing` that the steps of a Compose say.

    Raises:
        SourceError: a step isn't supported, or not at its place.
    """
    known: dict[str, Any] = {}
    done: set[str] = set()
    for step in steps:
        kind = type(step).__name__
        wrong = _what_is_wrong(step, kind, done)
        if wrong:
            raise SourceError(f"{spec} says a preprocessing with {_text(step)}, {wrong}")
        known |= _fields(step, kind)
        done.add("scaled" if _scales(step, kind) else kind)
    if "scaled" not in done and done.intersection(_RAW):
        raise SourceError(
            f"{spec} says a preprocessing that leaves pixels in 0..255; add ToTensor, or "
            "ToDtype(torch.float32, scale=True), which bring them to [0, 1]"
        )
    return known


def _what_is_wrong(step: Any, kind: str, done: set[str]) -> str:
    """Return why a step can't be taken after those that are ``done``; empty if it can."""
    is_raw = "scaled" not in done and bool(done.intersection(_RAW))
    if kind in _SCALING or kind in _RAW:
        return ""
    if kind == "ToDtype":
        is_kept = step.scale or "scaled" in done
        return "" if is_kept else "which leaves pixels in 0..255; pass it scale=True"
    if kind in done:
        return f"its second {kind}; only one works"
    if kind == "Normalize":
        return "which comes before pixels are in [0, 1]; put ToTensor before it" if is_raw else ""
    if kind == "CenterCrop" and len(_sides(step)) == 1:
        return ""
    if kind == "Resize" and getattr(step, "max_size", None) is not None:
        return "whose max_size isn't supported; leave it out"
    if kind == "Resize" and "CenterCrop" in done:
        return "which comes after CenterCrop; only Resize before CenterCrop works"
    if kind == "Resize" and len(_sides(step)) == 1:
        return ""
    return (
        "which isn't supported; supported are Resize, CenterCrop, ToTensor and Normalize of "
        "torchvision, for square inputs"
    )


def _fields(step: Any, kind: str) -> dict[str, Any]:
    if kind == "Normalize":
        return {"mean": step.mean, "std": step.std}
    if kind == "CenterCrop":
        return {"crop": max(_sides(step))}
    if kind == "Resize":
        side = max(_sides(step))
        is_squash = not isinstance(step.size, int) and len(step.size) == 2
        # The second generation of transforms keeps the name alone.
        interpolation = getattr(step.interpolation, "value", step.interpolation)
        squash = {"crop_mode": "squash", "crop": side} if is_squash else {}
        return {"resize": side, "interpolation": interpolation, **squash}
    return {}


def _scales(step: Any, kind: str) -> bool:
    """Return whether it brings pixels to [0, 1], and not to whole numbers of another kind."""
    dtypes = step.dtype.values() if isinstance(getattr(step, "dtype", None), dict) else ()
    found = [dtype for dtype in dtypes or (getattr(step, "dtype", None),) if dtype is not None]
    is_float = kind == "ToTensor" or any(dtype.is_floating_point for dtype in found)
    return is_float and (kind in _SCALING or (kind == "ToDtype" and step.scale))


def _sides(step: Any) -> set[int]:
    size: int | Sequence[int] = step.size
    return {size} if isinstance(size, int) else set(size)


def _text(step: Any) -> str:
    return " ".join(str(step).split())
