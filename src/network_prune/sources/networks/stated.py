"""What a user's network says of itself: how pictures are prepared, what its outputs stand for."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from torch import nn

from network_prune.errors import SourceError
from network_prune.sources.preprocessing import (
    Preprocessing,
    Unstated,
    from_timm,
    from_torchvision,
)

_PREPROCESSING: Final = ("preprocessing", "pretrained_cfg", "default_cfg", "weights", "transforms")
_CLASS_NAMES: Final = ("class_names", "classes", "categories", "label_names", "id2label")
_FIELDS: Final = frozenset(field.name for field in fields(Preprocessing))
_TIMM: Final = frozenset(("input_size", "mean", "std", "crop_pct", "interpolation", "crop_mode"))
_TO_TENSOR: Final = frozenset(
    ("ToTensor", "PILToTensor", "ToImage", "ToDtype", "ConvertImageDtype", "ToPureTensor")
)


def stated_preprocessing(model: nn.Module, spec: str) -> Preprocessing | Unstated:
    """Return what ``model`` says of how its pictures are prepared.

    It says it by its attribute ``preprocessing``, ``pretrained_cfg``, ``default_cfg``,
    ``weights`` or ``transforms``: fields of `Preprocessing`, a configuration like timm's, or
    torchvision's weights, their preset, or a Compose of its transforms.

    Raises:
        SourceError: ``preprocessing`` is something else, or asks for what can't be done.
    """
    for name in _PREPROCESSING:
        found = _read(getattr(model, name, None), spec)
        if found is not None:
            return found
    said: Any = getattr(model, "preprocessing", None)
    if said is not None:
        raise SourceError(
            f"{spec} says a preprocessing that can't be read ({type(said).__name__}); give a "
            "mapping such as {'resize': 36, 'crop': 32}, timm's configuration, torchvision's "
            "weights, or a Compose of Resize, CenterCrop, ToTensor and Normalize"
        )
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


def _read(said: Any, spec: str) -> Preprocessing | Unstated | None:
    """Return the preprocessing that ``said`` stands for, None if it is none."""
    if isinstance(said, Preprocessing):
        return said
    if isinstance(said, Mapping):
        if _FIELDS.issuperset(said):
            return Unstated(spec, dict(said))
        return from_timm(said, name=spec) if _TIMM & said.keys() else None
    if hasattr(said, "transforms") and hasattr(said, "meta"):
        said = said.transforms()
    if hasattr(said, "crop_size") and hasattr(said, "resize_size"):
        return from_torchvision(said, name=spec)
    if isinstance(getattr(said, "transforms", None), Sequence):
        return _read_compose(said.transforms, spec)
    return None


def _read_compose(steps: Sequence[Any], spec: str) -> Unstated:
    known: dict[str, Any] = {}
    for step in steps:
        known |= _read_step(step, spec)
    return Unstated(spec, known)


def _read_step(step: Any, spec: str) -> dict[str, Any]:
    kind = type(step).__name__
    if kind in _TO_TENSOR:
        return {}
    if kind == "Normalize":
        return {"mean": tuple(step.mean), "std": tuple(step.std)}
    if kind in ("Resize", "CenterCrop"):
        sides = [step.size] if isinstance(step.size, int) else list(step.size)
        if len(set(sides)) == 1 and kind == "CenterCrop":
            return {"crop": sides[0]}
        if len(set(sides)) == 1:
            squash = {"crop_mode": "squash", "crop": sides[0]} if len(sides) == 2 else {}
            # The second generation of transforms keeps the name alone.
            interpolation = getattr(step.interpolation, "value", step.interpolation)
            return {"resize": sides[0], "interpolation": interpolation, **squash}
    raise SourceError(
        f"{spec} says a preprocessing with {step}, which isn't supported; supported are Resize, "
        "CenterCrop, ToTensor and Normalize of torchvision, for square inputs"
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
