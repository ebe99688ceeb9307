"""A surrogate goes wherever the network went: its mode, what it says of itself, its state."""

import copy
import pickle

import pytest
import timm
import torch
import transformers
from torch import nn

import network_prune as npr
from tests.networks import build, inputs, snapshot

KINDS = [npr.Diversified, npr.BackwardOnly]


def wrap(model, kind=npr.Diversified, **options):
    return kind(model, npr.rank(model, p_prune=0.5), p_bern=0.5, seed=3, **options)


def ensemble_of(model):
    return npr.Ensemble([wrap(model), wrap(model, npr.BackwardOnly)])


@pytest.fixture(scope="module")
def timms():
    return timm.create_model("resnet10t", num_classes=7).eval()


@pytest.fixture(scope="module")
def transformers_one():
    sizes = {"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1]}
    config = transformers.ResNetConfig(**sizes, num_labels=3, id2label={0: "a", 1: "b", 2: "c"})
    return transformers.ResNetForImageClassification(config).eval()


# --- its mode -----------------------------------------------------------------------------


def attack(model):
    """Do what torchattacks and torch's older ONNX export do around their work."""
    training = model.training
    model.eval()
    model(inputs())
    model.train(training)


def attack_flag_by_flag(model):
    """Put each module's flag back by itself, as trainers do."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    model(inputs())
    for module, mode in modes.items():
        module.training = mode


@pytest.mark.parametrize("wrapped", [wrap, lambda m: wrap(m, npr.BackwardOnly), ensemble_of])
@pytest.mark.parametrize("use", [attack, attack_flag_by_flag])
@pytest.mark.parametrize("training", [False, True])
def test_who_puts_the_mode_back_leaves_the_network_as_it_was(wrapped, use, training):
    model = build("plain").train(training)
    before = snapshot(model)
    surrogate = wrapped(model)
    use(surrogate)
    assert surrogate.training is training
    assert snapshot(model) == before


@pytest.mark.parametrize("wrapped", [wrap, ensemble_of])
def test_the_mode_is_the_networks_also_when_it_changes_later(wrapped):
    model = build("plain").train()
    surrogate = wrapped(model)
    model.eval()
    assert not surrogate.training
    attack(surrogate)
    assert not any(module.training for module in model.modules())
    surrogate.train()
    assert all(module.training for module in model.modules())
    assert surrogate.training


def test_an_ensemble_of_networks_in_both_modes_counts_as_in_eval_mode():
    ensemble = npr.Ensemble([build("plain").train(), build("plain").eval()])
    assert not ensemble.training
    attack(ensemble)
    assert not any(module.training for module in ensemble.modules())


# --- what it says of itself ---------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [wrap, lambda m: wrap(m, npr.BackwardOnly), ensemble_of])
def test_attributes_that_frameworks_read_are_the_networks(timms, transformers_one, wrapped):
    surrogate = wrapped(timms)
    for name in ("num_classes", "default_cfg", "pretrained_cfg", "num_features", "layer4"):
        assert getattr(surrogate, name) is getattr(timms, name)
    surrogate = wrapped(transformers_one)
    for name in ("config", "main_input_name", "device", "dtype"):
        assert getattr(surrogate, name) == getattr(transformers_one, name)
    assert surrogate.config.id2label == {0: "a", 1: "b", 2: "c"}


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_say_the_same_of_their_own_network(timms, duplicate):
    surrogate = wrap(timms)
    twin = duplicate(surrogate)
    assert twin.num_classes == 7
    assert twin.layer4 is twin.model.layer4 is not surrogate.layer4


def test_a_hook_on_a_layer_sees_what_the_surrogate_computes(timms):
    surrogate, seen = wrap(timms), []
    with surrogate.layer4.register_forward_hook(lambda *args: seen.append(args[2])):
        surrogate(torch.zeros(1, 3, 32, 32))
        with npr.prune(timms, surrogate.prunable, p_bern=0.5, seed=3, index=0):
            timms(torch.zeros(1, 3, 32, 32))
    assert torch.equal(*seen)


@pytest.mark.parametrize("name", ["forward_features", "get_classifier"])
def test_methods_that_would_compute_the_full_network_are_not_handed_on(timms, name):
    surrogate = wrap(timms)
    assert not hasattr(surrogate, name)
    with pytest.raises(AttributeError, match=f"hands on no methods such as '{name}'"):
        getattr(surrogate, name)


@pytest.mark.parametrize("name", ["nothing", "_orig_mod", "__len__"])
def test_what_the_network_lacks_or_keeps_private_stays_absent(timms, name):
    model = copy.deepcopy(timms)
    model._orig_mod = None
    with pytest.raises(AttributeError, match=f"'Diversified' object has no attribute '{name}'"):
        getattr(wrap(model), name)


def test_an_ensemble_says_what_all_its_networks_say():
    one, other = nn.Conv2d(4, 3, 1), nn.Conv2d(4, 3, 1)
    one.classes, other.classes = ["a", "b"], ["a", "b"]
    one.groups_seen, other.groups_seen = 1, 2
    ensemble = npr.Ensemble([one, other])
    assert ensemble.classes == ["a", "b"]
    for name in ("groups_seen", "weight"):
        with pytest.raises(AttributeError, match=f"networks of Ensemble differ in '{name}'"):
            getattr(ensemble, name)
    del other.classes
    assert not hasattr(ensemble, "classes")


# --- its state ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_state_goes_on_at_the_next_draw(kind, tmp_path):
    surrogate = wrap(build("plain").eval(), kind, every=2, start=5, step=3)
    for _ in range(3):
        surrogate(inputs())
    torch.save(nn.Sequential(surrogate).state_dict(), tmp_path / "state.pt")
    resumed = wrap(build("plain").eval(), kind, every=2, start=5, step=3)
    nn.Sequential(resumed).load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for _ in range(2):
        resumed(inputs())
        surrogate(inputs())
        assert resumed.index == surrogate.index
        assert resumed.draw == surrogate.draw
    assert surrogate.index == 11


def test_a_state_dict_is_that_of_the_network_and_the_count_of_forwards():
    surrogate = wrap(build("plain").eval())
    surrogate(inputs())
    with surrogate.frozen(9):
        surrogate(inputs())
    state = surrogate.state_dict()
    count = state.pop("_extra_state")
    assert count.dtype is torch.int64
    assert count == 1
    assert list(state) == [f"model.{key}" for key in surrogate.model.state_dict()]


@pytest.mark.parametrize("around", [lambda m: m, nn.Sequential, lambda m: npr.Ensemble([m])])
def test_state_dicts_without_the_count_still_load(around):
    source = around(wrap(build("plain").eval()))
    older = {key: v for key, v in source.state_dict().items() if not key.endswith("_extra_state")}
    surrogate = wrap(build("already sparse").eval())
    surrogate(inputs())
    around(surrogate).load_state_dict(older)
    surrogate(inputs())
    assert surrogate.index == 1
    assert torch.equal(surrogate.model[0].bias, older[min(older)])
