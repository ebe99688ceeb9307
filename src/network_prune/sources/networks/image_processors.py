"""What transformers' image processors do to a picture, as a `Preprocessing`."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from network_prune.errors import ArgumentError, one_line
from network_prune.sources.preprocessing import Incomplete, Preprocessing

FILES = ("preprocessor_config.json", "processor_config.json")
# Width and height of the pictures that show whether a processor does the same as we do.
_TRIALS = ((131, 100), (97, 143), (64, 64))
_TOLERANCE = 1e-5
_FIELDS = ("resize", "crop", "interpolation", "mean", "std")


def read_preprocessing(folder: Path, *, name: str) -> tuple[Preprocessing | Incomplete, bool]:
    """Return what the image processor in ``folder`` does, and whether it gives BGR.

    The mean and std are those of RGB, whichever the processor gives. What it
    says is checked by running it, with PIL, beside our own transform.
    """
    if not any((folder / file).is_file() for file in FILES):
        return Incomplete(f"{name} has no {FILES[0]}", _FIELDS), False
    try:
        processor = _load(folder)
        flips = bool(getattr(processor, "do_flip_channel_order", False))
        described = _describe(processor, flips, name)
        if isinstance(described, Preprocessing):
            _check(processor, described, flips)
    except Exception as error:
        what = f"{name} has an image processor that can't be used ({one_line(error, limit=120)})"
        return Incomplete(what, _FIELDS), False
    return described, flips


def copy_processor(folder: Path, to: Path) -> None:
    """Copy the files of the image processor in a folder into another; none if there is none."""
    for name in FILES:
        if (folder / name).is_file():
            (to / name).write_bytes((folder / name).read_bytes())


def _load(folder: Path) -> Any:
    import transformers

    major = int(transformers.__version__.partition(".")[0])
    options: dict[str, Any] = {"backend": "pil"} if major >= 5 else {"use_fast": False}
    return transformers.AutoImageProcessor.from_pretrained(
        folder, trust_remote_code=False, local_files_only=True, **options
    )


def _describe(processor: Any, flips: bool, name: str) -> Preprocessing | Incomplete:
    kind = type(processor).__name__.removesuffix("Pil")
    mean, std = _normalisation(processor)
    if flips:
        mean, std = mean[::-1], std[::-1]
    fields: dict[str, Any] = {
        "interpolation": Image.Resampling(int(processor.resample)).name.lower(),
        "mean": mean,
        "std": std,
    }
    sizes = _sizes(processor, kind)
    if isinstance(sizes, str):
        return Incomplete(f"{name}: its {kind} {sizes}", ("resize", "crop"), fields)
    try:
        return _simplest(Preprocessing(**sizes, **fields, crop_rounding="down"))
    except ArgumentError as error:
        return Incomplete(
            f"{name}: its {kind} isn't supported: {error}", ("resize", "crop"), fields
        )


def _simplest(preprocessing: Preprocessing) -> Preprocessing:
    margin = preprocessing.resize - preprocessing.crop
    if preprocessing.crop_mode == "squash" and round(margin / 2) == margin // 2:
        return dataclasses.replace(preprocessing, crop_rounding="even")
    return preprocessing


def _sizes(processor: Any, kind: str) -> dict[str, Any] | str:
    """Return resize, crop and crop_mode, or what about them can't be held."""
    if not processor.do_resize:
        return "doesn't resize pictures"
    size = _edges(processor.size)
    height, width, shortest = size.get("height"), size.get("width"), size.get("shortest_edge")
    if kind == "ConvNextImageProcessor" and shortest:
        return _convnext_sizes(shortest, processor.crop_pct)
    if kind == "PoolFormerImageProcessor" and processor.crop_pct and (shortest or height == width):
        shortest, height = int((shortest or height) / processor.crop_pct), None
    elif kind == "LevitImageProcessor" and shortest:
        shortest = int((256 / 224) * shortest)
    cut = _edges(processor.crop_size) if getattr(processor, "do_center_crop", False) else {}
    crop = cut.get("height")
    if crop != cut.get("width"):
        return f"crops to {cut}, and only square inputs work"
    if set(size) == {"height", "width"} and height is not None and height == width:
        return {"resize": height, "crop": crop or height, "crop_mode": "squash"}
    if shortest is None or "longest_edge" in size:
        return f"resizes to {size}, and only a square or a shortest_edge works"
    if crop is None:
        return f"resizes to {size} without a crop, and only square inputs work"
    return {"resize": shortest, "crop": crop}


def _convnext_sizes(shortest: int, crop_pct: float) -> dict[str, Any]:
    if shortest >= 384:
        return {"resize": shortest, "crop": shortest, "crop_mode": "squash"}
    return {"resize": int(shortest / crop_pct), "crop": shortest}


def _edges(size: Any) -> dict[str, int]:
    return {key: value for key, value in dict(size).items() if value is not None}


def _normalisation(processor: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and std of values in [0, 1] that give what the processor gives."""
    # Some processors never normalise, and then have no such settings.
    given = getattr(processor, "image_mean", None)
    channels = len(given) if isinstance(given, Sequence) else 3
    mean, std = (0.0,) * channels, (1.0,) * channels
    spread = _each(getattr(processor, "image_std", None), channels)
    if getattr(processor, "do_normalize", False):
        mean, std = _each(given, channels), spread
    if getattr(processor, "include_top", False):
        std = tuple(value * again for value, again in zip(std, spread, strict=True))
    scale = 255 * processor.rescale_factor if processor.do_rescale else 255.0
    scale = 1.0 if math.isclose(scale, 1.0, rel_tol=1e-9) else scale
    offset = 1.0 if processor.do_rescale and getattr(processor, "rescale_offset", False) else 0.0
    return (
        tuple((value + offset) / scale for value in mean),
        tuple(value / scale for value in std),
    )


def _each(values: Any, channels: int) -> tuple[float, ...]:
    if isinstance(values, Sequence):
        return tuple(map(float, values))  # pyright: ignore[reportUnknownArgumentType]
    return (1.0 if values is None else float(values),) * channels


def _check(processor: Any, preprocessing: Preprocessing, flips: bool) -> None:
    """Run both on a few pictures.

    Raises:
        ArithmeticError: they give something else.
    """
    transform = preprocessing.transform()
    generator = np.random.default_rng(0)
    for width, height in _TRIALS:
        pixels = generator.integers(0, 256, (height, width, preprocessing.channels), np.uint8)
        image = Image.fromarray(pixels.squeeze())
        result: Mapping[str, Any] = processor(
            images=pixels, input_data_format="channels_last", return_tensors="pt"
        )
        theirs: Any = result["pixel_values"][0]
        theirs = theirs.flip(0) if flips else theirs
        ours = transform(image)
        limit = _TOLERANCE * max(1.0, ours.abs().max().item())
        if theirs.shape != ours.shape or not torch.allclose(
            theirs.to(ours.dtype), ours, rtol=0, atol=limit
        ):
            raise ArithmeticError("it does more than resize, crop, rescale and normalise")
