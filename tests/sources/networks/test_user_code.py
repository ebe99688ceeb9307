import os
import sys

import pytest
import torch

from network_prune.errors import SourceError
from network_prune.sources.networks.load import load_network
from network_prune.sources.networks.user_code import run_file

# These networks say nothing of their pictures, which none of these tests is about.
pytestmark = pytest.mark.filterwarnings("ignore:.* doesn't say all of its preprocessing")

MODELS = """
from torch import nn

def make():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, {classes}))

def sized(classes, *, width):
    return None

class Zoo:
    @staticmethod
    def small():
        return make()

    size = 3

def broken():
    import a_package_that_nobody_has
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package in the current folder."""
    folder = tmp_path / "own_zoo_of_nets"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "nets.py").write_text(MODELS.format(classes=6))
    (folder / "failing.py").write_text("1 / 0\n")
    (folder / "lacking.py").write_text("import a_package_that_nobody_has\n")
    monkeypatch.chdir(tmp_path)
    yield "own_zoo_of_nets"
    for name in [name for name in sys.modules if name.startswith("own_zoo_of_nets")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["make", "Zoo.small"])
def test_a_module_in_the_current_folder_makes_a_network(package, name):
    before = list(sys.path)
    network = load_network(f"{package}.nets:{name}")
    assert (network.classes, network.weights) == (6, f"as {package}.nets:{name} returns them")
    assert sys.path == before
    assert load_network(f"{package}.nets:{name}").weights_sha256 == network.weights_sha256


def test_an_installed_module_makes_a_network():
    assert load_network("torchvision.models:squeezenet1_1").classes == 1000


def test_a_modules_network_takes_weights_from_a_file(package, tmp_path):
    state = load_network(f"{package}.nets:make").model.state_dict()
    torch.save({name: value + 1 for name, value in state.items()}, tmp_path / "w.pth")
    loaded = load_network(f"{package}.nets:make", weights=str(tmp_path / "w.pth"))
    assert torch.equal(loaded.model.state_dict()["2.bias"], state["2.bias"] + 1)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("own_zoo_of_nets.nets:mak", "own_zoo_of_nets.nets: unknown callable 'mak'; did you mean"),
        ("own_zoo_of_nets.nets:Zoo.smal", "unknown callable 'smal'; did you mean small"),
        ("own_zoo_of_nets.nets:Zo.small", "unknown attribute 'Zo'; did you mean Zoo"),
        ("own_zoo_of_nets.nets:Zoo.size", "unknown callable 'size'"),
        ("own_zoo_of_nets.nets:sized", r"sized needs arguments \(classes, width\); name a"),
        ("own_zoo_of_nets.nets:Zoo", "Zoo returned a Zoo; it must return an nn.Module"),
        ("own_zoo_of_nets.nets:broken", "failed: it needs the module a_package_that_nobody_has"),
        ("own_zoo_of_nets.failing:make", "module .*failing failed on import: ZeroDivisionError"),
        (
            "own_zoo_of_nets.lacking:make",
            "failed on import: it needs the module a_package_that_nobody_has, which isn't inst",
        ),
        ("own_zoo_of_nets.gone:make", "no module own_zoo_of_nets.gone; install it or run where"),
        ("gone_package:make", "no module gone_package; install it or run where gone_package lies"),
        ("tim:resnet18", "no module tim; did you mean timm:resnet18?"),
        ("TIMM:resnet18", "no module TIMM; did you mean timm:resnet18?"),
        ("hup:owner/repo:net", "unknown kind of network .*did you mean hub:owner/repo:net"),
        (
            "own-zoo:make",
            "unknown kind of network 'own-zoo:make'; pass one of: digits, digits-plain",
        ),
        ("own_zoo_of_nets.nets:", "unknown kind of network"),
    ],
)
def test_modules_and_callables_are_refused_in_one_line(package, spec, message):
    with pytest.raises(SourceError, match=message) as refusal:
        load_network(spec)
    assert "\n" not in str(refusal.value)


def test_random_weights_of_a_module_are_refused(package):
    with pytest.raises(SourceError, match="comes as its callable makes it"):
        load_network(f"{package}.nets:make", weights="none")
    with pytest.raises(SourceError, match="has no weights 'V1'; pass default or a file"):
        load_network(f"{package}.nets:make", weights="V1")


def test_two_folders_may_hold_modules_of_one_name(tmp_path):
    for folder, classes in (("a", 4), ("b", 9)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.py").write_text("from namesake_module import make\n")
        (tmp_path / folder / "namesake_module.py").write_text(MODELS.format(classes=classes))
    assert load_network(f"{tmp_path}/a/net.py:make").classes == 4
    assert load_network(f"{tmp_path}/b/net.py:make").classes == 9
    assert load_network(f"{tmp_path}/a/net.py:make").classes == 4


def test_what_a_folder_doesnt_hold_itself_is_never_forgotten(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder / "colorsys").mkdir(parents=True)
        (tmp_path / folder / "net.py").write_text("import colorsys\n" + MODELS.format(classes=2))
    sys.modules.pop("colorsys", None)
    load_network(f"{tmp_path}/a/net.py:make")
    module = sys.modules["colorsys"]
    load_network(f"{tmp_path}/b/net.py:make")
    assert sys.modules["colorsys"] is module


def test_a_file_that_changed_within_a_second_is_run_as_it_is_now(tmp_path, monkeypatch):
    """Bytecode that Python keeps is of the second and the size of what it was made from."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "net.py"
    for width in (3, 5):
        path.write_text(
            f"from torch import nn\n\n\ndef make():\n    return nn.Linear({width}, 2)\n"
        )
        os.utime(path, (1_000_000_000, 1_000_000_000))
        assert run_file(path).make().in_features == width
    assert os.listdir(tmp_path) == ["net.py"]
