"""Without timm, torchvision and scikit-learn the embedded networks give the same figures.

What needs one of them says so in one line.
"""

import json
import subprocess
import sys

import pytest

GRID = ("--method", "weights", "--method", "connections", "--p-prune", "0.2", "--limit", "100")
SAME = {
    "eval": ("eval", "--p-prune", "0.2", "--p-bern", "0.5", "--draws", "2", "--json"),
    "inspect": ("inspect", "--p-prune", "0.3", "--json"),
    "sweep": ("sweep", *GRID, "--out", "study", "--json"),
}
REFUSED = {
    ("eval", "--arch", "timm:resnet18", "--data", "fake:2"): (
        "timm:resnet18 needs the package timm: pip install timm"
    ),
    ("eval", "--arch", "resnet18", "--data", "fake:2"): (
        "the network resnet18 needs the package torchvision: pip install torchvision"
    ),
    ("eval", "--arch", "timm:resnet*", "--data", "fake:2"): (
        "timm:resnet* needs the package timm: pip install timm"
    ),
    ("eval", "--data", "torchvision:CIFAR10:."): (
        "torchvision:CIFAR10 needs the package torchvision: pip install torchvision"
    ),
    ("eval", "--data", "synsets"): (
        "knowing ImageNet's classes by name needs the package timm: pip install timm"
    ),
    ("eval", "--arch", "net.py:make", "--data", "fake:2"): (
        "the preprocessing of net.py:make needs the package timm: pip install timm; say what the "
        "network takes with --resize --crop --mean --std"
    ),
    ("retrain", "--augment", "crop"): (
        "cutting pictures at random needs the package torchvision: pip install torchvision"
    ),
    ("list", "timm:resnet"): "timm:resnet needs the package timm: pip install timm",
}
NETWORK = """
from torch import nn

def make():
    model = nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten())
    model.default_cfg = {"input_size": (3, 8, 8)}
    return model
"""
# The packages are hidden where Python looks for modules and for what is installed.
CODE = """
import contextlib, io, json, sys
from importlib.machinery import PathFinder

HIDDEN = {"timm", "torchvision", "sklearn", "scikit-learn", "scikit_learn"}

class Others(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in HIDDEN
        return None if hidden else PathFinder.find_spec(name, path, target)

    @classmethod
    def find_distributions(cls, *arguments, **options):
        found = PathFinder.find_distributions(*arguments, **options)
        return (each for each in found if each.name not in HIDDEN)

sys.meta_path[:] = [Others if each is PathFinder else each for each in sys.meta_path]

from network_prune.__main__ import main

found = []
for call in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(call)
        except SystemExit as end:
            found.append([end.code, out.getvalue(), err.getvalue()])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """What each command ended with, printed and complained of, without the packages."""
    folder = tmp_path_factory.mktemp("without")
    for name in ("n01440764", "n01443537"):
        (folder / "synsets" / name).mkdir(parents=True)
        (folder / "synsets" / name / "a.png").touch()
    (folder / "net.py").write_text(NETWORK)
    calls = [*SAME.values(), *REFUSED, ("list",)]
    process = [sys.executable, "-c", CODE, json.dumps(calls)]
    done = subprocess.run(process, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(zip(calls, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("call", SAME.values(), ids=SAME)
def test_the_embedded_networks_give_the_same_figures(without, run, tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    code, out, err = without[call]
    assert (code, err) == (0, "")
    assert figures(out) == figures(run(*call).out)


def figures(text):
    """What a command printed, without what says which packages there are."""
    found = json.loads(text)
    for record in found if isinstance(found, list) else [found]:
        record.pop("key", None)
        versions = record.pop("versions", {})
        assert all(versions.values())
    return found


def test_records_say_what_is_not_installed(without):
    for record in json.loads(without[SAME["sweep"]][1]):
        found = {name for name, text in record["versions"].items() if text == "not installed"}
        assert found == {"timm", "torchvision"}


@pytest.mark.parametrize("call", REFUSED, ids=" ".join)
def test_what_needs_a_package_says_so(without, call):
    assert without[call] == [2, "", f"network-prune: error: {REFUSED[call]}\n"]


def test_the_list_shows_what_can_be_loaded(without):
    code, out, err = without["list",]
    assert (code, err) == (0, "")
    names = [line.split()[0] for line in out.splitlines()[1:]]
    assert names == ["digits", "digits-plain", "digits-attention", "digits-mixer"]
