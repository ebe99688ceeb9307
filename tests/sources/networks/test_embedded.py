"""The embedded networks: small, of different kinds, and known by name like any other."""

import importlib.util
import sys
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import network_prune
from network_prune.errors import ArgumentError, NetworkPruneError
from network_prune.options import OPTIONS
from network_prune.sources.data.load import load_data
from network_prune.sources.data.pictures import collate
from network_prune.sources.digits.embedded import NETWORKS
from network_prune.sources.digits.names import NAMES
from network_prune.sources.inputs import Inputs
from network_prune.sources.networks.load import load_network

SCRIPT = Path(__file__).parents[3] / "scripts" / "train_digits.py"
# Of 500 held-out digits, as the script that trained them said.
HITS = {"digits": 495, "digits-plain": 499, "digits-attention": 492, "digits-mixer": 493}


@pytest.fixture(scope="module")
def held_out():
    preprocessing = load_network().preprocessing
    data = load_data(transform=preprocessing.transform(), classes=10)
    return collate([data.dataset[index] for index in range(data.n)])


@pytest.fixture(scope="module")
def script():
    plan = importlib.util.spec_from_file_location("train_digits", SCRIPT)
    module = importlib.util.module_from_spec(plan)
    sys.modules[plan.name] = module
    plan.loader.exec_module(module)
    yield module
    del sys.modules[plan.name]


@pytest.fixture(scope="module")
def some(script):
    """A few pictures to train on, and their labels."""
    images, labels = script.load_part(held_out=False)
    return images[:72], labels[:72]


def kinds(model, *wanted):
    return [module for module in model.modules() if isinstance(module, wanted)]


@pytest.mark.parametrize("name", NAMES)
def test_each_knows_the_held_out_digits(name, held_out):
    network = load_network(name)
    with torch.no_grad():
        hits = (network.model(held_out.images).argmax(1) == held_out.labels).sum().item()
    assert abs(hits - HITS[name]) <= 1
    assert hits >= 0.97 * len(held_out.labels)
    assert (network.name, network.weights, network.classes) == (name, "embedded", 10)
    assert network.preprocessing.shape == (1, 32, 32)
    assert network.notes == ()


def test_all_of_them_are_small_together():
    assert sum(network.weights.stat().st_size for network in NETWORKS.values()) <= 4_000_000


def test_they_are_of_different_kinds():
    residual, plain, attention, mixer = (load_network(name).model for name in NAMES)
    assert kinds(residual, nn.BatchNorm2d)
    assert not kinds(plain, nn.BatchNorm2d, nn.LayerNorm)
    assert len(kinds(attention, nn.Conv2d)) == 1
    assert len(kinds(attention, nn.LayerNorm)) > 2
    assert any(conv.groups > 1 for conv in kinds(mixer, nn.Conv2d))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layers", [(nn.Conv2d,), (nn.Linear,)])
def test_each_is_diversified_evaluated_and_given_back(name, layers, held_out):
    network = load_network(name)
    state = {key: value.clone() for key, value in network.model.state_dict().items()}
    prunable = network_prune.rank(network.model, "weight", p_prune=0.7, layers=layers)
    surrogate = network_prune.Diversified(network.model, prunable, p_bern=0.5, seed=3)
    images = held_out.images[:8].clone().requires_grad_()
    first, second = surrogate(images), surrogate(images)
    assert not torch.equal(first, second)
    (first + second).sum().backward()
    assert images.grad.isfinite().all()
    assert images.grad.abs().sum() > 0
    data = load_data(transform=network.preprocessing.transform(), limit=64)
    with network_prune.prune(network.model, prunable, p_bern=0.5, seed=3):
        assert network_prune.evaluate(network.model, data, progress=False).n == 64
    assert all(torch.equal(value, state[key]) for key, value in network.model.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
def test_the_script_trains_what_the_package_holds(name, script, some):
    """One epoch of a few pictures: names, shapes, and the same bits again."""
    course = script.Course(1, script.COURSES[name].rate)
    with torch.random.fork_rng():
        once, again = (script.train(name, *some, course).state_dict() for _ in range(2))
    kept = load_file(NETWORKS[name].weights)
    assert {key: (value.shape, value.dtype) for key, value in once.items()} == {
        key: (value.shape, value.dtype) for key, value in kept.items()
    }
    assert all(torch.equal(value, again[key]) for key, value in once.items())


def test_the_script_and_the_catalogue_know_all_of_them(script):
    assert tuple(NETWORKS) == tuple(script.COURSES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_takes_a_file_with_other_outputs(name, tmp_path):
    path = tmp_path / "seven.safetensors"
    save_file(NETWORKS[name].build(7).state_dict(), path)
    with pytest.warns(UserWarning, match="doesn't say its preprocessing"):
        assert load_network(name, weights=path).classes == 7


def test_they_share_their_pictures(run):
    options = dict.fromkeys(OPTIONS)
    assert Inputs(options, NAMES).data == "digits"
    with pytest.raises(ArgumentError, match="resnet18 needs labelled images"):
        Inputs(options, [*NAMES, "resnet18"])
    outcome = run("eval", "--arch", "digits-*", "--limit", 4, "--no-dense")
    assert outcome.code == 0
    assert "enlarged" not in outcome.out + outcome.err
    assert [line.split()[1] for line in outcome.out.splitlines() if "| digits" in line] == [
        *NAMES[1:]
    ]


def test_a_slip_in_a_name_shows_those_like_it():
    with pytest.raises(NetworkPruneError, match="did you mean digits-attention"):
        load_network("digits-atention")


def test_the_residual_one_has_1x1_shortcuts_with_stride():
    convs = kinds(load_network().model, nn.Conv2d)
    assert sum(m.kernel_size == (1, 1) and m.stride == (2, 2) for m in convs) == 3


def test_the_residual_one_is_timms_of_the_same_weights():
    theirs = timm.models.resnet.ResNet(
        timm.models.resnet.BasicBlock,
        layers=(1, 1, 1, 1),
        channels=(16, 32, 64, 96),
        stem_type="deep",
        stem_width=8,
        in_chans=1,
        num_classes=10,
    ).eval()
    ours = load_network().model
    assert list(theirs.state_dict()) == list(ours.state_dict())
    theirs.load_state_dict(ours.state_dict())
    images = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))
