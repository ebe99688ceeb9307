"""What a user's network says of itself is taken; what it doesn't say is told."""

import warnings
from collections import OrderedDict

import pytest
import torch
import torchvision.transforms as T
from torch import nn
from torchvision.models import ResNet18_Weights
from torchvision.transforms import v2

from network_prune.errors import SourceError
from network_prune.sources.networks.load import load_network
from network_prune.sources.networks.stated import stated_class_names, stated_preprocessing
from network_prune.sources.preprocessing import Preprocessing, Unstated

CIFAR = Preprocessing(32, 32, mean=(0.4, 0.5, 0.6), std=(0.1, 0.2, 0.3))
FIELDS = {"resize": 32, "crop": 32, "mean": [0.4, 0.5, 0.6], "std": [0.1, 0.2, 0.3]}
TIMM = {
    "input_size": (3, 32, 32),
    "crop_pct": 1.0,
    "interpolation": "bilinear",
    "mean": (0.4, 0.5, 0.6),
    "std": (0.1, 0.2, 0.3),
}
NORMALISE = T.Normalize((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
STEPS = T.Compose([T.Resize(32), T.CenterCrop(32), T.ToTensor(), NORMALISE])
SECOND = v2.Compose(
    [
        v2.PILToTensor(),
        v2.Resize([32], antialias=True),
        v2.CenterCrop((32, 32)),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize((0.4, 0.5, 0.6), (0.1, 0.2, 0.3)),
    ]
)
IMAGENET = Preprocessing(256, 224)


def net(**said):
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    for name, value in said.items():
        object.__setattr__(model, name, value)
    return model


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"preprocessing": CIFAR}, CIFAR),
        ({"preprocessing": FIELDS}, CIFAR),
        ({"preprocessing": TIMM}, CIFAR),
        ({"default_cfg": TIMM}, CIFAR),
        ({"pretrained_cfg": TIMM}, CIFAR),
        ({"preprocessing": STEPS}, CIFAR),
        ({"transforms": SECOND}, CIFAR),
        ({"weights": ResNet18_Weights.IMAGENET1K_V1}, IMAGENET),
        ({"preprocessing": ResNet18_Weights.IMAGENET1K_V1.transforms()}, IMAGENET),
        ({"weights": nn.Parameter(), "default_cfg": TIMM}, CIFAR),
    ],
)
def test_what_a_network_says_is_taken(said, expected):
    found = stated_preprocessing(net(**said), "x")
    assert found.replace() == expected
    assert not isinstance(found, Unstated) or found.note() == ()


@pytest.mark.parametrize(
    ("said", "changes", "guessed", "asked"),
    [
        ({}, {}, "resize 256, crop 224, mean 0.485,", "--resize --crop --mean --std"),
        ({}, {"crop": 32}, "mean 0.485,0.456,0.406, std", "--mean --std"),
        ({}, {"mean": (0.5,), "std": (0.5,)}, "resize 256, crop 224", "--resize --crop"),
        ({"preprocessing": {"crop": 32}}, {}, "mean 0.485,0.456,0.406, std", "--mean --std"),
        ({"preprocessing": T.Compose([NORMALISE])}, {}, "resize 256, crop 224", "--resize --crop"),
    ],
)
def test_what_nobody_says_is_told(said, changes, guessed, asked):
    (note,) = stated_preprocessing(net(**said), "x").note(**changes)
    assert note.startswith("x doesn't say all of its preprocessing")
    assert f"({guessed}" in note
    assert f"pass {asked}, or give" in note


def test_one_side_says_both():
    """What is cut off of a picture nobody says either."""
    assert Unstated("x").replace(crop=32) == Preprocessing(32, 32)
    assert Unstated("x").replace(resize=32) == Preprocessing(32, 32)
    assert Unstated("x").replace(resize=40, crop=32) == Preprocessing(40, 32)
    assert Unstated("x").note(**FIELDS) == ()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("resize 32", r"a preprocessing that can't be read \(str\); give a mapping"),
        (5, r"a preprocessing that can't be read \(int\); give a mapping"),
        ({"size": 32}, "can't be read: unknown field 'size'"),
        (FIELDS | {"note": "x"}, "can't be read: unknown field 'note'"),
        (FIELDS | {"crop_size": 32}, "unknown field 'crop_size'; did you mean "),
        ({"mean": "a"}, "that can't be used: mean='a' isn't numbers; pass one for each channel"),
        ({"mean": [None]}, r"that can't be used: mean=\[None\] isn't numbers"),
        ({"crop": 0}, "that can't be used: resize=0 is no size"),
        ({"mean": [123, 117, 104], "std": [58, 57, 57]}, r"mean 123, 117, 104, .*divide by 255"),
        ({"std": [58, 57, 57]}, r"x says std 58, 57, 57, .*; divide by 255"),
        (TIMM | {"mean": (123, 117, 104)}, r"x says mean 123, 117, 104, .*; divide by 255"),
        (TIMM | {"input_size": 32}, "a configuration like timm's that can't be read"),
        (T.Compose([T.RandomCrop(32), T.ToTensor()]), r"with RandomCrop.*isn't supported"),
    ],
)
def test_a_preprocessing_that_cannot_be_read_is_refused_unless_the_call_says_it(said, message):
    found = stated_preprocessing(net(preprocessing=said), "x")
    with pytest.raises(SourceError, match=message) as refusal:
        found.replace(resize=32, crop=32)
    assert str(refusal.value).endswith("say what the network takes with --mean --std")
    assert "\n" not in str(refusal.value)
    assert found.replace(**FIELDS) == CIFAR


class Method(nn.Module):
    def preprocessing(self, image):
        return image


@pytest.mark.parametrize(
    "model",
    [
        Method(),
        nn.Sequential(OrderedDict(preprocessing=nn.Sequential(NORMALISE), fc=nn.Linear(3, 3))),
        net(transforms=T.Compose([T.RandomCrop(32), T.ToTensor()])),
        net(weights={"loss": 1.0}),
        net(pretrained_cfg={}, default_cfg={"name": "x"}),
    ],
)
def test_what_only_has_such_a_name_says_nothing(model):
    found = stated_preprocessing(model, "x")
    assert found == Unstated("x")
    assert found.replace(**FIELDS) == CIFAR


def test_a_function_beside_the_network_is_refused_unless_the_call_says_it():
    found = stated_preprocessing(net(preprocessing=lambda image: image), "x")
    with pytest.raises(SourceError, match=r"can't be read \(function\).*--resize --crop --mean"):
        found.replace()
    assert found.replace(**FIELDS) == CIFAR


@pytest.mark.parametrize(
    ("left_out", "guessed"),
    [
        (("mean", "std"), "mean 0.485,0.456,0.406, std 0.229,0.224,0.225"),
        (("std",), "std 0.229,0.224,0.225"),
        (("input_size",), "resize 256, crop 224"),
    ],
)
def test_what_a_configuration_lacks_is_told(left_out, guessed):
    config = {key: value for key, value in TIMM.items() if key not in left_out}
    found = stated_preprocessing(net(default_cfg=config), "x")
    (note,) = found.note()
    assert f"({guessed})" in note
    assert found.replace(**FIELDS) == CIFAR


def test_a_configuration_without_crop_pct_cuts_nothing_off():
    found = stated_preprocessing(net(default_cfg={"input_size": (3, 32, 32)}), "x")
    assert (found.replace().resize, found.replace().crop) == (32, 32)
    whole = {key: value for key, value in TIMM.items() if key != "crop_pct"}
    assert stated_preprocessing(net(default_cfg=whole), "x") == CIFAR


def test_other_channels_need_their_mean_and_std():
    found = stated_preprocessing(net(default_cfg={"input_size": (1, 32, 32)}), "x")
    with pytest.raises(SourceError, match=r"x takes 1 channels .*with --mean --std$"):
        found.replace()
    assert found.replace(mean=(0.5,), std=(0.2,)).shape == (1, 32, 32)


def test_one_number_stands_for_one_channel():
    found = stated_preprocessing(net(preprocessing={"mean": 0.5, "std": 0.2, "crop": 32}), "x")
    assert found.replace() == Preprocessing(32, 32, mean=(0.5,), std=(0.2,))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"class_names": ["a", "b", "c"]}, ("a", "b", "c")),
        ({"classes": ("a", "b", "c")}, ("a", "b", "c")),
        ({"id2label": {"1": "b", "0": "a", "2": "c"}}, ("a", "b", "c")),
        ({"config": {"id2label": {0: "a", 1: "b", 2: "c"}}}, ("a", "b", "c")),
        ({"pretrained_cfg": {"label_names": ["a", "b", "c"]}}, ("a", "b", "c")),
        ({"id2label": {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}}, ()),
        ({"id2label": {0: "a", 5: "b"}}, ()),
        ({"classes": 3}, ()),
        ({"classes": "abc"}, ()),
        ({"classes": [1, 2, 3]}, ()),
        ({}, ()),
    ],
)
def test_what_outputs_stand_for_is_read_off_the_network(said, expected):
    assert stated_class_names(net(**said)) == expected


CODE = """
from torch import nn

def make():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))

def pair():
    from torchvision.models import ResNet18_Weights
    return make(), ResNet18_Weights.IMAGENET1K_V1.transforms()

def named(names=("cat", "dog", "eel")):
    model = make()
    model.preprocessing = {"resize": 8, "crop": 8, "mean": [0.5] * 3, "std": [0.5] * 3}
    model.class_names = list(names)
    return model

def misnamed():
    return named("cat dog".split())

def triple():
    return make(), 1, 2
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "net.py").write_text(CODE)
    return str(tmp_path / "net.py")


def test_a_pair_says_the_preprocessing_and_leaves_the_network_alone(file):
    network = load_network(f"{file}:pair")
    assert (network.preprocessing, network.notes) == (IMAGENET, ())
    assert len(list(network.model.modules())) == 4


def test_a_network_that_says_nothing_warns_once_loaded(file):
    with pytest.warns(UserWarning, match=r"net\.py:make doesn't say all of its preprocessing"):
        network = load_network(f"{file}:make")
    assert len(network.notes) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_network(f"{file}:make", warn=False).notes == network.notes
        assert load_network(f"{file}:make", preprocessing=FIELDS).notes == ()


def test_class_names_must_be_as_many_as_outputs(file):
    assert load_network(f"{file}:named").outputs.names == ("cat", "dog", "eel")
    with pytest.warns(UserWarning, match="names 2 classes for 3 outputs; the names aren't used"):
        assert load_network(f"{file}:misnamed").class_names == ()


def test_other_tuples_are_refused(file):
    with pytest.raises(SourceError, match=r"returned a tuple; it must return an nn\.Module, or a"):
        load_network(f"{file}:triple")


def test_published_weights_say_what_their_outputs_stand_for():
    from network_prune.sources.networks.from_timm import _class_names

    imagenet = {"num_classes": 1000, "tag": "a1_in1k"}
    assert _class_names(imagenet)[0] == "n01440764"
    assert _class_names({**imagenet, "tag": "plants"}) == ()
    assert len(_class_names({"num_classes": 11821, "tag": "sw_in12k"})) == 11821
    assert _class_names({**imagenet, "num_classes": 1001}) == ()
    assert _class_names({"label_names": ["a", "b"]}) == ("a", "b")
