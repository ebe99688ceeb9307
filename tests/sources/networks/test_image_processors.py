import json

import numpy as np
import pytest
import torch
from photos import photo

from network_prune.errors import ArgumentError, SourceError
from network_prune.sources.networks.image_processors import read_preprocessing
from network_prune.sources.preprocessing import Incomplete, Preprocessing

transformers = pytest.importorskip("transformers")

PICTURES = ((61, 47), (300, 400), (512, 257), (224, 224), (33, 701), (641, 480), (375, 500))
SHORTEST = {"size": {"shortest_edge": 59}, "crop_size": {"height": 50, "width": 50}}
SQUARE = {"size": {"height": 51, "width": 51}}


def read(folder, kind, **settings):
    key = "feature_extractor_type" if "Extractor" in kind else "image_processor_type"
    content = {key: kind, **settings}
    (folder / "preprocessor_config.json").write_text(json.dumps(content))
    return read_preprocessing(folder, name="hf:net")


def theirs(folder):
    options = {"backend": "pil"} if transformers.__version__ >= "5" else {"use_fast": False}
    return transformers.AutoImageProcessor.from_pretrained(folder, **options)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("ViTImageProcessor", {}),
        ("ViTImageProcessor", SQUARE | {"resample": 3}),
        ("ViTImageProcessor", {"size": 37, "do_normalize": False}),
        ("ViTFeatureExtractor", SQUARE),
        ("ConvNextFeatureExtractor", {"size": 224, "crop_pct": 0.875}),
        ("ViTImageProcessor", SQUARE | {"do_rescale": False}),
        ("ViTImageProcessor", SQUARE | {"rescale_factor": 1 / 127.5}),
        ("ViTImageProcessor", SQUARE | {"resample": 0, "image_mean": [0.5], "image_std": [0.2]}),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 224}}),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 50}, "crop_pct": 0.875}),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 224}, "crop_pct": 0.95}),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 384}}),
        ("BitImageProcessor", SHORTEST),
        ("CLIPImageProcessor", {}),
        ("CLIPImageProcessor", SHORTEST),
        ("DeiTImageProcessor", {}),
        (
            "DeiTImageProcessor",
            {"size": {"height": 53, "width": 53}, "crop_size": {"height": 50, "width": 50}},
        ),
        ("BeitImageProcessor", {}),
        ("EfficientNetImageProcessor", {}),
        ("EfficientNetImageProcessor", {"include_top": False, "rescale_offset": True}),
        ("EfficientNetImageProcessor", {"rescale_offset": True, "rescale_factor": 1 / 127.5}),
        ("LevitImageProcessor", {}),
        ("LevitImageProcessor", {"size": {"height": 230, "width": 230}}),
        ("MobileNetV1ImageProcessor", {}),
        ("MobileNetV2ImageProcessor", SHORTEST),
        ("MobileViTImageProcessor", SHORTEST),
        ("MobileViTImageProcessor", SHORTEST | {"do_flip_channel_order": False}),
        ("PoolFormerImageProcessor", {}),
        ("PoolFormerImageProcessor", SHORTEST | {"crop_pct": 0.8}),
        ("PvtImageProcessor", {}),
        ("SegformerImageProcessor", {"size": {"height": 64, "width": 64}}),
        ("SiglipImageProcessor", {}),
    ],
)
def test_our_transform_gives_what_the_processor_gives(tmp_path, kind, settings):
    preprocessing, flips = read(tmp_path, kind, **settings)
    assert isinstance(preprocessing, Preprocessing), preprocessing
    assert flips == (kind.startswith("MobileViT") and "do_flip_channel_order" not in settings)
    ours, processor = preprocessing.transform(), theirs(tmp_path)
    for width, height in PICTURES:
        image = photo(width, height)
        image = image if preprocessing.channels == 3 else image.convert("L")
        pixels = np.asarray(image).reshape(height, width, -1)
        result = processor(images=pixels, input_data_format="channels_last", return_tensors="pt")
        expected = result["pixel_values"][0]
        actual = ours(image).flip(0) if flips else ours(image)
        scale = max(1.0, expected.abs().max().item())
        assert (actual - expected).abs().max() <= 1e-6 * scale


def test_half_a_pixel_is_rounded_as_transformers_does(tmp_path):
    """A margin of 3 starts the crop at 1, where torchvision starts it at 2."""
    settings = {"size": {"shortest_edge": 53}, "crop_size": {"height": 50, "width": 50}}
    preprocessing, _ = read(tmp_path, "BitImageProcessor", **settings)
    image = photo(53, 53)
    expected = theirs(tmp_path)(images=image, return_tensors="pt")["pixel_values"][0]
    torch.testing.assert_close(preprocessing.transform()(image), expected)
    other = preprocessing.replace(crop_rounding="even").transform()(image)
    assert not torch.allclose(other, expected, atol=0.01)
    assert "centre crop 50 rounded down" in str(preprocessing)


def test_what_rounding_doesnt_change_is_the_same_value_as_elsewhere(tmp_path):
    preprocessing, _ = read(tmp_path, "ViTImageProcessor", **SQUARE)
    half = (0.5, 0.5, 0.5)
    assert preprocessing == Preprocessing(51, 51, "bilinear", half, half, "squash")


ALL = ("resize", "crop", "interpolation", "mean", "std")


@pytest.mark.parametrize(
    ("kind", "settings", "missing", "message"),
    [
        ("ViTImageProcessor", {"do_resize": False}, ALL[:2], "ViTImageProcessor doesn't resize"),
        (
            "ViTImageProcessor",
            {"size": {"height": 32, "width": 40}},
            ALL[:2],
            r"resizes to \{'height': 32, 'width': 40\}, and only a square or a shortest_edge",
        ),
        (
            "CLIPImageProcessor",
            {"size": {"shortest_edge": 50}, "do_center_crop": False},
            ALL[:2],
            r"resizes to \{'shortest_edge': 50\} without a crop, and only square inputs work",
        ),
        (
            "CLIPImageProcessor",
            {"crop_size": {"height": 32, "width": 40}},
            ALL[:2],
            r"crops to \{'height': 32, 'width': 40\}, and only square inputs work",
        ),
        ("MobileViTImageProcessor", {}, ALL[:2], "crop=256 is larger than resize=224"),
        ("PerceiverImageProcessor", {}, ALL[:2], "crop=256 is larger than resize=224"),
        (
            "TextNetImageProcessor",
            SHORTEST | {"do_center_crop": True},
            ALL,
            "does more than resize, crop, rescale and normalise|Unrecognized",
        ),
        ("ImageGPTImageProcessor", {}, ALL, "can't be used"),
        ("NoSuchImageProcessor", {}, ALL, "can't be used"),
        ("ViTImageProcessor", {"resample": 77}, ALL, "can't be used .*77"),
    ],
)
def test_what_cant_be_held_is_left_to_the_call(tmp_path, kind, settings, missing, message):
    preprocessing, _ = read(tmp_path, kind, **settings)
    assert isinstance(preprocessing, Incomplete)
    assert preprocessing.missing == missing
    with pytest.raises(SourceError, match=message) as refusal:
        preprocessing.replace(mean=None)
    assert "\n" not in str(refusal.value)
    assert " ".join(f"--{name}" for name in missing) in str(refusal.value)


def test_what_the_call_says_completes_what_is_known(tmp_path):
    settings = {"do_resize": False, "resample": 3, "image_mean": [0.1, 0.2, 0.3]}
    preprocessing, _ = read(tmp_path, "ViTImageProcessor", **settings)
    with pytest.raises(SourceError, match=r"with --crop$"):
        preprocessing.replace(resize=40)
    assert preprocessing.replace(resize=40, crop=32, mean=None) == Preprocessing(
        40, 32, "bicubic", (0.1, 0.2, 0.3), (0.5, 0.5, 0.5)
    )
    with pytest.raises(ArgumentError, match="crop=64 is larger than resize=40"):
        preprocessing.replace(resize=40, crop=64)
