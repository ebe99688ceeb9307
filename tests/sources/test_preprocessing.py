import json
import pickle

import numpy as np
import pytest
import timm.data
import torch
import torchvision
from photos import photo
from PIL import Image, ImageCms

from network_prune.errors import ArgumentError, SourceError
from network_prune.sources.data.pictures import decode
from network_prune.sources.preprocessing import (
    Preprocessing,
    convert,
    from_timm,
    from_torchvision,
    look_up,
)

SIZES = ((61, 47), (300, 400), (512, 256), (224, 224), (33, 700))


@pytest.mark.parametrize("name", ["resnet18", "vit_b_16", "efficientnet_b1", "inception_v3"])
def test_equals_torchvisions_transforms_bit_for_bit(name):
    for weights in torchvision.models.get_model_weights(name):
        ours = from_torchvision(weights.transforms(), name=name).transform()
        for width, height in SIZES:
            image = photo(width, height)
            assert torch.equal(ours(image), weights.transforms()(image))


@pytest.mark.parametrize("crop_mode", ["center", "squash"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("crop_pct", [0.875, 0.95, 1.0])
def test_equals_timms_transforms_bit_for_bit(crop_mode, interpolation, crop_pct):
    config = {
        "input_size": (3, 160, 160),
        "crop_mode": crop_mode,
        "interpolation": interpolation,
        "crop_pct": crop_pct,
        "mean": (0.5, 0.4, 0.3),
        "std": (0.2, 0.25, 0.3),
    }
    theirs = timm.data.create_transform(**timm.data.resolve_data_config(pretrained_cfg=config))
    ours = from_timm(config, name="timm:x").transform()
    for width, height in SIZES:
        image = photo(width, height)
        assert torch.equal(ours(image), theirs(image))


def test_an_empty_timm_configuration_means_timms_defaults():
    assert from_timm({}, name="timm:x") == Preprocessing(256, 224, "bicubic")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"crop_mode": "border"}, "timm:x asks for crop_mode 'border'.*center, squash"),
        ({"input_size": (3, 224, 192)}, "timm:x takes 224x192 pictures; only square"),
        ({"input_size": (1, 28, 28)}, "takes 1 channels, but its mean has 3 values"),
        ({"crop_pct": 1.15}, "timm:x isn't supported: crop=224 is larger than resize=194"),
    ],
)
def test_refuses_timm_configurations_that_it_cannot_hold(config, message):
    with pytest.raises(SourceError, match=message):
        from_timm(config, name="timm:x")


def test_refuses_presets_of_other_tasks():
    with pytest.raises(SourceError, match="net doesn't come with preprocessing for classifying"):
        from_torchvision(torchvision.transforms.ToTensor(), name="net")


def test_one_mean_makes_grey_input():
    grey = Preprocessing(32, 32, mean=(0.5,), std=(0.5,))
    assert grey.transform()(photo()).shape == grey.shape == (1, 32, 32)
    assert torch.equal(grey.transform()(photo()), grey.transform()(photo(mode="L")))


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "LA", "RGBA"])
def test_every_8_bit_format_is_converted(mode):
    image = photo(mode=mode)
    expected = Preprocessing().transform()(image.convert("RGB"))
    assert torch.equal(Preprocessing().transform()(image), expected)


def test_a_palette_with_transparency_raises_no_warning():
    image = photo(mode="P")
    image.info["transparency"] = bytes(range(256))
    assert Preprocessing().transform()(image).shape == (3, 224, 224)


def in_format(mode):
    """A photograph as Pillow holds it in a format, by way of another where it must be."""
    if mode == "LAB":
        profiles = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
        return ImageCms.applyTransform(photo(), ImageCms.buildTransform(*profiles, "RGB", "LAB"))
    by_way_of = {"La": "LA", "RGBa": "RGBA", "PA": "P"}.get(mode, "RGB")
    return photo(mode=by_way_of).convert(mode)


CLIPPED = sorted({"I;16", "I;16B", *(mode for mode in Image.MODES if mode[0] in "IF")})
FORMATS = sorted({*Image.MODES, "LA", "La", "PA", "RGBa"} - set(CLIPPED))


@pytest.mark.parametrize("mode", FORMATS)
def test_what_pillow_converts_is_converted_as_torchvision_does(mode):
    image = in_format(mode)
    assert image.mode == mode
    # Pillow itself finds no way from La, and none from LAB to grey.
    straight = image.convert({"La": "LA"}.get(mode, mode))
    assert np.array_equal(convert(image, "RGB"), straight.convert("RGB"))
    if mode not in ("P", "PA"):  # which Pillow makes grey by other weights than RGB
        straight = straight.convert("RGB") if mode == "LAB" else straight
        assert np.array_equal(convert(image, "L"), straight.convert("L"))


def test_files_of_such_formats_are_read(tmp_path):
    for mode in ("YCbCr", "LAB", "CMYK"):
        in_format(mode).save(tmp_path / "x.tif")
        image = decode(str(tmp_path / "x.tif"), name="x.tif").image
        assert image.mode == mode
        difference = np.subtract(convert(image, "RGB"), photo(), dtype=np.float64)
        assert abs(difference).mean() < 2


@pytest.mark.parametrize("mode", CLIPPED)
def test_refuses_formats_that_would_be_clipped(mode):
    with pytest.raises(SourceError, match=f"pixel format {mode} can't be used"):
        Preprocessing().transform()(Image.new(mode, (300, 300)))


def test_a_16_bit_png_is_not_clipped_silently(tmp_path):
    Image.fromarray(np.full((300, 300), 40000, np.uint16)).save(tmp_path / "x.png")
    with (
        Image.open(tmp_path / "x.png") as image,
        pytest.raises(SourceError, match="pixel format I"),
    ):
        Preprocessing().transform()(image)


def test_says_itself_on_one_line():
    assert str(Preprocessing()) == (
        "resize 256 bilinear, centre crop 224, mean 0.485 0.456 0.406, std 0.229 0.224 0.225"
    )
    assert str(Preprocessing(crop_mode="squash")).startswith("squash to 256 bilinear, ")


def test_records_survive_json():
    record = json.loads(json.dumps(Preprocessing().to_dict()))
    assert Preprocessing(**record) == Preprocessing()


def test_replaces_what_is_given_and_keeps_the_rest():
    changed = Preprocessing().replace(resize=260, crop=None, interpolation="bicubic")
    assert changed == Preprocessing(260, 224, "bicubic")


@pytest.mark.parametrize(("crop", "resize"), [(224, 256), (448, 512), (32, 36), (1, 1)])
def test_a_crop_alone_keeps_its_share_of_the_picture(crop, resize):
    assert Preprocessing().replace(crop=crop) == Preprocessing(resize, crop)


def test_transforms_can_be_sent_to_workers():
    transform = pickle.loads(pickle.dumps(Preprocessing().transform()))
    assert torch.equal(transform(photo()), Preprocessing().transform()(photo()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resize": 0}, "resize=0 is no size"),
        ({"crop": 2.5}, "crop=2.5 is no size"),
        ({"crop": True}, "crop=True is no size"),
        ({"crop": 300, "resize": 256}, "crop=300 is larger than resize=256.*pass resize=300"),
        ({"interpolation": "cubic"}, "unknown interpolation 'cubic'; did you mean bicubic"),
        ({"crop_mode": "border"}, "unknown crop_mode 'border'.*pass one of center, squash"),
        ({"crop_rounding": "up"}, "unknown crop_rounding 'up'.*pass one of even, down"),
        ({"size": 3}, "unknown preprocessing option 'size'.*pass one of resize"),
        ({"mean": (0.5,)}, "mean has 1 values and std 3"),
        ({"mean": (0.5, 0.5), "std": (1, 1)}, "mean has 2 values"),
        ({"std": (0.1, 0.0, 0.1)}, "std above 0"),
        ({"mean": (0.1, float("nan"), 0.1)}, "pass finite values"),
    ],
)
def test_refuses_values_outside_what_is_allowed(changes, message):
    with pytest.raises(ArgumentError, match=message):
        Preprocessing().replace(**changes)


@pytest.mark.parametrize(
    "preprocessing", [Preprocessing(), Preprocessing(40, 32, mean=(0.3,), std=(0.7,))]
)
def test_pixels_normalised_in_a_batch_are_the_networks_input_bit_for_bit(preprocessing):
    images = [photo(width, height) for width, height in SIZES]
    pixels = torch.stack([preprocessing.pixel_transform()(image) for image in images])
    assert pixels.dtype == torch.uint8
    assert pixels.shape[1:] == preprocessing.shape
    expected = torch.stack([preprocessing.transform()(image) for image in images])
    assert torch.equal(preprocessing.normalise(pixels), expected)
    assert torch.equal(look_up(preprocessing, pixels), expected)  # what other devices do
    assert repr(preprocessing.pixel_transform()).startswith("PixelTransform(")
