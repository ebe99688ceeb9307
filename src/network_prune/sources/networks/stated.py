"""What a user's network says of itself: how pictures are prepared, what its outputs stand for."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from torch import nn

from network_prune.errors import ArgumentError, SourceError, one_line, unknown_name
from network_prune.sources.networks.composes import read_compose
from network_prune.sources.preprocessing import (
    Incomplete,
    Preprocessing,
    Unstated,
    from_timm,
    from_torchvision,
)

# Under the last two, networks keep other things as well: what can't be read there says nothing.
_PREPROCESSING: Final = ("preprocessing", "pretrained_cfg", "default_cfg")
_OTHERS_TOO: Final = ("weights", "transforms")
_CLASS_NAMES: Final = ("class_names", "classes", "categories", "label_names", "id2label")
_FIELDS: Final = tuple(field.name for field in fields(Preprocessing))
_ASKED: Final = ("resize", "crop", "mean", "std")
_TIMM_ALONE: Final = frozenset(("input_size", "crop_pct", "test_input_size", "test_crop_pct"))
_READABLE: Final = (
    "give a mapping such as {'resize': 36, 'crop': 32}, timm's configuration, torchvision's "
    "weights, or a Compose of Resize, CenterCrop, ToTensor and Normalize"
)
_TIMM: Final = _TIMM_ALONE | {"mean", "std", "interpolation", "crop_mode"}


def stated_preprocessing(model: nn.Module, spec: str) -> Preprocessing | Incomplete | Unstated:
    """Return what ``model`` says of how its pictures are prepared.

    It says it by its attribute ``preprocessing``, ``pretrained_cfg``, ``default_cfg``,
    ``weights`` or ``transforms``: fields of `Preprocessing`, a configuration like timm's, or
    torchvision's weights, their preset, or a Compose of its transforms. What can't be read
    under the first three is left to the call to say.
    """
    for name in (*_PREPROCESSING, *_OTHERS_TOO):
        said: Any = getattr(model, name, None)
        try:
            found = _read(said, name, spec)
        except SourceError as error:
            if name in _OTHERS_TOO:
                continue
            return Incomplete(str(error), _ASKED)
        if found is not None:
            return found
        is_part = name not in vars(model) and (
            isinstance(said, nn.Module) or inspect.isroutine(said)
        )
        if name == "preprocessing" and said is not None and not is_part:
            reason = f"{spec} says a preprocessing that can't be read ({type(said).__name__})"
            return Incomplete(f"{reason}; {_READABLE}", _ASKED)
    return Unstated(spec)


def stated_class_names(model: nn.Module) -> tuple[str, ...]:
    """Return what ``model`` says its outputs stand for, in order; empty if it says nothing.

    It says it by an attribute ``class_names``, ``classes``, ``categories``, ``label_names``
    or ``id2label``, or such an entry of its ``config`` or ``pretrained_cfg``.
    """
    for holder in (model, getattr(model, "config", None), getattr(model, "pretrained_cfg", None)):
        for name in _CLASS_NAMES:
            value = holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
            names = _names(value)
            if names:
                return names
    return ()


def _read(said: Any, name: str, spec: str) -> Preprocessing | Incomplete | Unstated | None:
    """Return the preprocessing that the attribute ``name`` stands for, None if it is none."""
    if isinstance(said, Preprocessing):
        return said
    if isinstance(said, Mapping):
        return _read_mapping(dict(said), name, spec)  # pyright: ignore[reportUnknownArgumentType]
    if hasattr(said, "transforms") and hasattr(said, "meta"):
        said = said.transforms()
    if hasattr(said, "crop_size") and hasattr(said, "resize_size"):
        return from_torchvision(said, name=spec)
    if isinstance(getattr(said, "transforms", None), Sequence):
        return _checked(read_compose(said.transforms, spec), spec)
    return None


def _read_mapping(
    said: dict[str, Any], name: str, spec: str
) -> Preprocessing | Incomplete | Unstated | None:
    if _TIMM_ALONE & said.keys() or (name.endswith("_cfg") and _TIMM & said.keys()):
        return _read_timm(said, spec)
    if name != "preprocessing":
        return None
    for key in said:
        if key not in _FIELDS:
            raise SourceError(
                f"{spec} says a preprocessing that can't be read: "
                f"{unknown_name('field', str(key), _FIELDS)}"
            )
    return _checked(said, spec)


def _read_timm(said: dict[str, Any], spec: str) -> Preprocessing | Incomplete | Unstated:
    """Return what timm makes of a configuration, without what timm guesses.

    Nothing is cut off where its ``crop_pct`` is missing.
    """
    said = {key: value for key, value in said.items() if value is not None}
    try:
        channels: int = said.get("input_size", (3,))[0]
        usual = {"crop_pct": 1.0, "mean": (0.5,) * channels, "std": (0.5,) * channels}
        whole = from_timm({**usual, **said}, name=spec)
    except SourceError:
        raise
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        reason = f"{spec} says a configuration like timm's that can't be read"
        raise SourceError(f"{reason} ({one_line(error)})") from error
    _check_units(whole, spec)
    sources = {"resize": "input_size", "crop": "input_size", "mean": "mean", "std": "std"}
    missing = tuple(field for field, source in sources.items() if source not in said)
    if not missing:
        return whole
    known = {field: getattr(whole, field) for field in _FIELDS if field not in missing}
    if channels == 3:
        return Unstated(spec, known)
    reason = f"{spec} takes {channels} channels and doesn't say all of its preprocessing"
    return Incomplete(reason, missing, known)


def _checked(known: Mapping[str, Any], spec: str) -> Unstated:
    found = Unstated(spec, known)
    try:
        made = found.replace()
    except ArgumentError as error:
        raise SourceError(f"{spec} says a preprocessing that can't be used: {error}") from error
    _check_units(made, spec)
    return found


def _check_units(made: Preprocessing, spec: str) -> None:
    for name in ("mean", "std"):
        values: tuple[float, ...] = getattr(made, name)
        if max(values) > 1:
            raise SourceError(
                f"{spec} says {name} {', '.join(f'{value:g}' for value in values)}, which isn't "
                "of pixels in [0, 1]; divide by 255"
            )


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        try:
            numbered = {int(number): name for number, name in value.items()}
        except (TypeError, ValueError):
            return ()
        value = [numbered.get(number) for number in range(len(numbered))]
    if isinstance(value, str) or not isinstance(value, Sequence):
        return ()
    if not value or not all(isinstance(name, str) for name in value):
        return ()
    are_placeholders = all(name == f"LABEL_{place}" for place, name in enumerate(value))
    return () if are_placeholders else tuple(value)
