"""How a picture becomes a network's input, as a value that records can hold."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image

from network_prune.errors import ArgumentError, SourceError, brief, check_choice
from network_prune.extras import require
from network_prune.plain_numbers import plain_number

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Of a picture once it is resized; as many as Pillow takes for those of a bomb.
MOST_PIXELS = 89_478_485
CROP_MODES = ("center", "squash")
CROP_ROUNDINGS = ("even", "down")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "box", "hamming", "lanczos")
# PIL clips other modes (16-bit, float) to 0..255 on conversion, which turns pictures white.
_READABLE_MODES = frozenset(
    ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB", "HSV")
)
# By way of what PIL converts the others: straight to RGB, it warns about palettes with
# transparency, though the pixels are the same, and fails for La, as for LAB to grey.
_BY_WAY_OF = {"P": "RGBA", "PA": "RGBA", "La": "LA", "LAB": "RGB"}


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Resize, centre crop, scale to [0, 1] and normalise.

    Attributes:
        resize: length in pixels of the shorter side after resizing; with
            ``crop_mode="squash"`` of both sides.
        crop: side in pixels of the square cut from the middle.
        interpolation: one of nearest, bilinear, bicubic, box, hamming, lanczos;
            always with PIL's antialiasing.
        mean: what is subtracted from each channel; its length, 1 or 3, is the
            number of channels: 1 converts pictures to grey, 3 to RGB.
        std: what each channel is divided by.
        crop_mode: ``center`` keeps the picture's proportions, ``squash`` doesn't.
        crop_rounding: where the crop starts if half a pixel is left over: at the
            ``even`` neighbour, as torchvision and timm do, or ``down``, as
            transformers does.

    Raises:
        ArgumentError: when made with a value outside these.
    """

    resize: int = 256
    crop: int = 224
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    crop_mode: str = "center"
    crop_rounding: str = "even"

    def __post_init__(self) -> None:
        for name in ("resize", "crop"):
            object.__setattr__(self, name, _size(name, getattr(self, name)))
        _check_crop(self.resize, self.crop)
        check_choice("interpolation", self.interpolation, INTERPOLATIONS)
        check_choice("crop_mode", self.crop_mode, CROP_MODES)
        check_choice("crop_rounding", self.crop_rounding, CROP_ROUNDINGS)
        object.__setattr__(self, "mean", _numbers("mean", self.mean))
        object.__setattr__(self, "std", _numbers("std", self.std))
        _check_normalisation(self.mean, self.std)

    @property
    def channels(self) -> int:
        """Number of channels of the network's input, 1 or 3."""
        return len(self.mean)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape [C, crop, crop] of one preprocessed picture."""
        return (self.channels, self.crop, self.crop)

    def transform(self) -> "Transform":
        """Return the callable that turns a PIL image into a float32 tensor [C, crop, crop]."""
        return Transform(self)

    def pixel_transform(self) -> "PixelTransform":
        """Return the callable that turns a PIL image into a uint8 tensor [C, crop, crop]."""
        return PixelTransform(self)

    def normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return pixels as the network's input; those of `pixel_transform` as of `transform`.

        Args:
            pixels: uint8 [..., C, H, W], any device.

        Returns:
            float32 tensor of the same shape, on the same device, the same to the last bit
            on every device.
        """
        if pixels.device.type != "cpu":
            return look_up(self, pixels)
        mean, std = (
            torch.tensor(values, dtype=torch.float32, device="cpu").reshape(-1, 1, 1)
            for values in (self.mean, self.std)
        )
        return (pixels.to(torch.float32) / 255).sub_(mean).div_(std)

    def replace(self, **changes: Any) -> "Preprocessing":
        """Return a copy with the fields in ``changes`` set, those that are None left as they are.

        Where ``crop`` changes and ``resize`` doesn't, the crop keeps its share of the picture.

        Raises:
            ArgumentError: a name or value isn't allowed.
        """
        given = _given(changes)
        if "crop" in given and "resize" not in given:
            given["resize"] = _size("crop", given["crop"]) * self.resize // self.crop
        return dataclasses.replace(self, **given)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        fields = dataclasses.asdict(self)
        return fields | {"mean": list(self.mean), "std": list(self.std)}

    def __str__(self) -> str:
        mean = " ".join(f"{value:.6g}" for value in self.mean)
        std = " ".join(f"{value:.6g}" for value in self.std)
        resize = "resize" if self.crop_mode == "center" else "squash to"
        crop = f"{self.crop} rounded down" if self.crop_rounding == "down" else f"{self.crop}"
        return (
            f"{resize} {self.resize} {self.interpolation}, centre crop {crop}, "
            f"mean {mean}, std {std}"
        )


def look_up(preprocessing: Preprocessing, pixels: torch.Tensor) -> torch.Tensor:
    """Normalise by a table of what the CPU computes, since GPUs round divisions otherwise.

    Takes and returns what `Preprocessing.normalise` does.
    """
    table, channels = _table(preprocessing, pixels.device)
    return table[channels, pixels.long()]


@lru_cache(maxsize=8)
def _table(preprocessing: Preprocessing, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what each of 256 values becomes, float32 [C, 256], and the channels, [C, 1, 1]."""
    count = preprocessing.channels
    values = torch.arange(256, dtype=torch.uint8, device="cpu").expand(count, 1, 256)
    table = preprocessing.normalise(values).reshape(count, 256)
    return table.to(device), torch.arange(count, device=device).reshape(-1, 1, 1)


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A preprocessing that isn't known in full: the call has to say the rest.

    Attributes:
        reason: why it isn't known, for people.
        missing: the fields that the call has to say.
        known: the other fields.
    """

    reason: str
    missing: tuple[str, ...]
    known: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])

    def replace(self, **changes: Any) -> Preprocessing:
        """Return the preprocessing with the fields in ``changes``; None says nothing.

        Raises:
            SourceError: a field that is missing isn't said.
            ArgumentError: a name or value isn't allowed.
        """
        missing = [name for name in self.missing if changes.get(name) is None]
        if missing:
            options = " ".join(f"--{name}" for name in missing)
            raise SourceError(f"{self.reason}; say what the network takes with {options}")
        given = {name: value for name, value in changes.items() if value is not None}
        return Preprocessing().replace(**{**self.known, **given})


@dataclass(frozen=True, slots=True)
class Unstated:
    """A network doesn't say all of its preprocessing: a usual one stands in.

    Attributes:
        name: what people call the network, or the file of its weights.
        known: the fields that it does say.
        published: what stands in: that of the architecture's published weights, or None for
            ImageNet's usual one.
    """

    name: str
    known: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    published: Preprocessing | None = None

    def replace(self, **changes: Any) -> Preprocessing:
        """Return what stands in, with the fields that are known or in ``changes``.

        Of ``resize`` and ``crop``, one alone says both where ImageNet's stands in: nothing is
        cut off.

        Raises:
            ArgumentError: a name or value isn't allowed.
        """
        given = {**self.known, **_given(changes)}
        if self.published is not None:
            return self.published.replace(**given)
        side = given.get("crop", given.get("resize"))
        both = {} if side is None else {"resize": side, "crop": side}
        return Preprocessing().replace(**{**both, **given})

    def note(self, **changes: Any) -> tuple[str, ...]:
        """Return a line for people on what nobody says, neither the network nor ``changes``."""
        given = {*self.known, *_given(changes)}
        given |= {"resize", "crop"} if {"resize", "crop"} & given else set()
        names = [name for name in ("resize", "crop", "mean", "std") if name not in given]
        if not names:
            return ()
        made = self.replace(**changes)
        guessed = ", ".join(f"{name} {_text(getattr(made, name))}" for name in names)
        options = " ".join(f"--{name}" for name in names)
        if self.published is not None:
            return (
                f"{self.name} doesn't say its preprocessing, and its outputs aren't those of the "
                f"published weights, whose preprocessing is taken ({guessed}); pass {options}",
            )
        return (
            f"{self.name} doesn't say all of its preprocessing, so ImageNet's usual one is taken "
            f"({guessed}); pass {options}, or give the network an attribute preprocessing, "
            "e.g. {'resize': 32, 'crop': 32, 'mean': [0.5], 'std': [0.5]}",
        )


def _given(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes that aren't None, after checking their names."""
    for name in changes:
        check_choice("preprocessing option", name, Preprocessing.__slots__)
    return {name: value for name, value in changes.items() if value is not None}


def _text(value: float | tuple[float, ...]) -> str:
    values = value if isinstance(value, tuple) else (value,)
    return ",".join(f"{each:g}" for each in values)


@dataclass(frozen=True)
class PixelTransform:
    """PIL image to uint8 tensor [C, crop, crop] on the CPU; can be pickled for workers.

    Attributes:
        preprocessing: what it carries out, up to the scaling and normalising.
    """

    preprocessing: Preprocessing

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Return the pixels that the network sees of ``image``.

        Raises:
            SourceError: the picture holds values other than 8 bits a channel, or is so long that
                it would have more than `MOST_PIXELS` once it is resized.
        """
        wanted = self.preprocessing
        size = _resized(image.size, wanted)
        image = convert(image, "L" if wanted.channels == 1 else "RGB")
        image = image.resize(size, Image.Resampling[wanted.interpolation.upper()])
        pixels = np.array(_crop(image, wanted)).reshape(wanted.crop, wanted.crop, -1)
        return torch.from_numpy(pixels).permute(2, 0, 1)


class Transform(PixelTransform):
    """PIL image to float32 tensor [C, crop, crop] on the CPU; can be pickled for workers.

    Attributes:
        preprocessing: what it carries out.
    """

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Return the network's input for ``image``.

        Raises:
            SourceError: the picture holds values other than 8 bits a channel.
        """
        return self.preprocessing.normalise(super().__call__(image))


def _resized(size: tuple[int, int], wanted: Preprocessing) -> tuple[int, int]:
    if wanted.crop_mode == "squash":
        return wanted.resize, wanted.resize
    width, height = (int(wanted.resize * side / min(size)) for side in size)
    if width * height > MOST_PIXELS:
        raise SourceError(
            f"{size[0]} x {size[1]} pixels become {width} x {height} when the shorter side is "
            f"resized to {wanted.resize}; a picture may have {MOST_PIXELS} then"
        )
    return width, height


def _crop(image: Image.Image, wanted: Preprocessing) -> Image.Image:
    start = round if wanted.crop_rounding == "even" else math.floor
    left, top = (start((side - wanted.crop) / 2) for side in image.size)
    return image.crop((left, top, left + wanted.crop, top + wanted.crop))


def convert(image: Image.Image, mode: str) -> Image.Image:
    """Return ``image`` in ``mode``, ``RGB`` or ``L``; transparency is dropped.

    Raises:
        SourceError: the picture holds values other than 8 bits a channel.
    """
    if image.mode == mode:
        return image
    check_pixel_format(image)
    if image.mode in _BY_WAY_OF:
        image = image.convert(_BY_WAY_OF[image.mode])
    return image.convert(mode)


def check_pixel_format(image: Image.Image) -> None:
    """Refuse a picture that can't be made RGB or grey without clipping.

    Raises:
        SourceError: the picture holds values other than 8 bits a channel.
    """
    if image.mode not in _READABLE_MODES:
        raise SourceError(
            f"pixel format {image.mode} can't be used as it is; convert it to 8-bit RGB or grey"
        )


def from_torchvision(preset: Any, *, name: str) -> Preprocessing:
    """Return the preprocessing of a torchvision weights' ``transforms()``.

    Raises:
        SourceError: ``preset`` is no preset for classifying images.
    """
    try:
        return Preprocessing(
            resize=preset.resize_size[0],
            crop=preset.crop_size[0],
            interpolation=preset.interpolation.value,
            mean=tuple(preset.mean),
            std=tuple(preset.std),
        )
    except AttributeError as error:
        raise SourceError(
            f"{name} doesn't come with preprocessing for classifying images"
        ) from error


def from_timm(config: Mapping[str, Any], *, name: str) -> Preprocessing:
    """Return the preprocessing of a timm ``pretrained_cfg``, at its training resolution.

    Same as ``timm.data.create_transform(**timm.data.resolve_data_config(pretrained_cfg=config))``.

    Raises:
        SourceError: the configuration asks for what :class:`Preprocessing` can't hold, or timm
            isn't installed.
    """
    require("timm", what=f"the preprocessing of {name}")
    # timm takes seconds to import, and networks of other kinds don't need it.
    from timm.data.config import resolve_data_config

    # timm takes an empty configuration for a forgotten one.
    data: dict[str, Any] = resolve_data_config(pretrained_cfg={"architecture": name, **config})
    channels, height, width = data["input_size"]
    if len(data["mean"]) != channels:
        raise SourceError(
            f"{name} takes {channels} channels, but its mean has {len(data['mean'])} values; "
            "give mean and std one value for each channel"
        )
    if height != width:
        raise SourceError(f"{name} takes {height}x{width} pictures; only square inputs work")
    if data["crop_mode"] not in CROP_MODES:
        raise SourceError(
            f"{name} asks for crop_mode {data['crop_mode']!r}, which isn't supported; "
            f"supported are {', '.join(CROP_MODES)}"
        )
    try:
        return Preprocessing(
            resize=math.floor(height / data["crop_pct"]),
            crop=height,
            interpolation=data["interpolation"],
            mean=tuple(data["mean"]),
            std=tuple(data["std"]),
            crop_mode=data["crop_mode"],
        )
    except ArgumentError as error:
        raise SourceError(f"the preprocessing of {name} isn't supported: {error}") from error


def _check_crop(resize: int, crop: int) -> None:
    if crop > resize:
        raise ArgumentError(
            f"crop={crop} is larger than resize={resize} and would be padded with black; "
            f"pass resize={crop} (--resize {crop}) or more"
        )


def _size(name: str, value: Any) -> int:
    pixels = plain_number(value)
    if not isinstance(pixels, int) or pixels < 1:
        raise ArgumentError(f"{name}={brief(value)} is no size; pass whole pixels, 1 or more")
    return pixels


def _numbers(name: str, given: Any) -> tuple[float, ...]:
    """Return a mean or std as numbers; a single one may stand alone."""
    is_one = isinstance(given, str) or plain_number(given) is not None
    try:
        values = [given] if is_one else list(given)
        numbers = [value if isinstance(value, str) else plain_number(value) for value in values]
        return tuple(float(number) for number in numbers)  # pyright: ignore[reportArgumentType]
    except (OverflowError, TypeError, ValueError) as error:
        raise ArgumentError(
            f"{name}={brief(given)} isn't numbers; pass one for each channel, e.g. {name}=[0.5]"
        ) from error


def _check_normalisation(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    if len(mean) not in (1, 3) or len(std) != len(mean):
        raise ArgumentError(
            f"mean has {len(mean)} values and std {len(std)}; pass 1 each for grey or 3 for RGB"
        )
    if not all(map(math.isfinite, mean)) or not all(0 < value < math.inf for value in std):
        raise ArgumentError(f"mean={mean}, std={std}: pass finite values, std above 0")
