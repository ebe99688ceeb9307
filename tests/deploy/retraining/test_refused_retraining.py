"""What retraining refuses, in a line, with the network as it was; and its numbers by hand."""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

import network_prune as npr
import networks
from network_prune.core.elements import ElementSet
from network_prune.core.layers import Granularity, Layer
from network_prune.deploy.retraining.student import containing
from tests.deploy.retraining.recipes import recipe
from tests.deploy.retraining.small_retraining import DATA, IMAGES, LABELS, network, retrain


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"p_prune": 0.0}, r"p_prune=0.0 prunes nothing"),
        ({"p_prune": {"*": 0.0}}, r"p_prune=.* prunes nothing"),
        ({"p_prune": 1.5}, r"p_prune=1.5 is outside \[0, 1\]"),
        ({"schedule": "late"}, r"unknown schedule 'late'"),
        ({"rounds": 3}, r"rounds=3 goes with schedule linear or cubic"),
        ({"rounds": 0, "schedule": "cubic"}, r"rounds=0 is too small"),
        ({"epochs": 0}, r"epochs=0 is too small"),
        ({"lr": 0}, r"lr=0 is no number above 0"),
        ({"lr": math.nan}, r"lr=nan is no number above 0"),
        ({"momentum": 1}, r"momentum=1 is outside \[0, 1\)"),
        ({"weight_decay": -1}, r"weight_decay=-1 is outside"),
        ({"optimizer": "adam"}, r"unknown optimizer 'adam'"),
        ({"optimizer": 3}, r"optimizer=3 is neither a name nor"),
        ({"optimizer": "adamw", "momentum": 0.5}, r"momentum=0.5 goes with sgd"),
        ({"optimizer": torch.optim.SGD, "momentum": 0.5}, r"momentum go with an optimizer by name"),
        ({"optimizer": lambda p: p[50]}, r"optimizer makes none of the parameters"),
        ({"optimizer": lambda p: None}, r"optimizer makes a NoneType"),
        ({"optimizer": torch.optim.LBFGS}, r"optimizer makes a LBFGS"),
        ({"decay": "step"}, r"unknown decay 'step'"),
        ({"temperature": -1}, r"temperature=-1 is no number above 0"),
        ({"amp_dtype": "int8"}, r"unknown amp_dtype 'int8'"),
        ({"batch_size": 0}, r"batch_size=0 is too small"),
        ({"checkpoint_steps": 0}, r"checkpoint_steps=0 is too small"),
        ({"seed": -1}, r"seed=-1 is outside"),
        ({"p_bern": 2}, r"p_bern=2\S* is outside"),
        ({"score": "taylor"}, r"score='taylor': each round ranks the trained weights"),
        ({"score": {"0": torch.zeros(6)}}, r"score=.*each round ranks the trained weights"),
        ({"granularity": "kernel"}, r"unknown granularity 'kernel'"),
        ({"with_norm": True}, r"with_norm=True goes with neurons"),
        ({"include": ["9"]}, r"9"),
        ({"data": IMAGES}, r"data is images without labels"),
        ({"data": iter([DATA])}, r"data is an iterator, which gives its batches only once"),
        ({"data": []}, r"data gives no images"),
        ({"data": (IMAGES[:0], LABELS[:0])}, r"data gives no images"),
        ({"data": (IMAGES, LABELS + 9)}, r"label 13 is outside"),
        ({"data": 3}, r"data=int gives no batches"),
        ({"validation": (IMAGES, LABELS + 9)}, r"label 1. is outside"),
    ],
)
def test_it_is_refused_in_a_line_and_the_network_is_as_it_was(options, text):
    model = network()
    before = networks.snapshot(model)
    with pytest.raises(npr.NetworkPruneError, match=text) as refused:
        retrain(model, **options)
    assert "\n" not in str(refused.value)
    assert networks.snapshot(model) == before


def test_networks_that_cannot_be_retrained_are_refused():
    model = network()
    npr.prune_weights(model, p_prune=0.1)
    with pytest.raises(npr.NetworkPruneError, match="is pruned already"):
        retrain(model)
    with pytest.raises(npr.NetworkPruneError, match="no parameter of the network needs gradients"):
        retrain(network().requires_grad_(False))
    hooked = network()
    hooked[0].register_forward_hook(lambda *_: None)
    with pytest.raises(npr.NetworkPruneError, match="can't be copied to be retrained: it carries"):
        retrain(hooked)
    with pytest.raises(npr.NetworkPruneError, match="the network failed on a batch"):
        retrain(nn.Sequential(network(), nn.Linear(7, 2)))
    with pytest.raises(npr.NetworkPruneError, match=r"inside a torch\.func transform"):
        torch.func.grad(lambda x: retrain(network()) and x)(torch.tensor(1.0))


def test_a_loss_that_is_not_finite_is_told_with_step_and_rate():
    model = network()
    before = networks.snapshot(model)
    images = IMAGES.clone()
    images[-1] = torch.nan
    batches = [(IMAGES[:6], LABELS[:6]), (images[6:], LABELS[6:])]
    with pytest.raises(npr.NetworkPruneError, match=r"loss is nan in step 2, at .* of 0.05;"):
        retrain(model, batches)
    assert networks.snapshot(model) == before
    with pytest.raises(npr.NetworkPruneError, match=r"isn't finite in step 1, .* of 1e\+29"):
        retrain(model, batches[:1], lr=1e29, weight_decay=1e20, epochs=1)
    assert networks.snapshot(model) == before


def test_schedules_are_those_worked_by_hand():
    linear = recipe(schedule="linear", rounds=4, p_prune=0.8)
    assert [linear.p_prune_at(i) for i in (1, 2, 3, 4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    cubic = recipe(schedule="cubic", rounds=4, p_prune=0.64)
    # 1 - (3/4)^3, 1 - (1/2)^3, 1 - (1/4)^3, 1
    wanted = [0.64 * 37 / 64, 0.64 * 7 / 8, 0.64 * 63 / 64, 0.64]
    assert [cubic.p_prune_at(i) for i in (1, 2, 3, 4)] == pytest.approx(wanted)
    assert recipe().p_prune_at(1) == 0.5
    assert (recipe().last, recipe(schedule="cubic").last) == (1, 4)
    by_layer = recipe(schedule="linear", rounds=2, p_prune={"a": 0.5, "*": 0.2})
    assert dict(by_layer.p_prune_at(1)) == {"a": 0.25, "*": 0.1}
    assert [recipe(epochs=4).lr_factor(e) for e in range(4)] == pytest.approx(
        [1.0, 0.5 + 0.5 / math.sqrt(2), 0.5, 0.5 - 0.5 / math.sqrt(2)]
    )
    assert recipe(decay="none").lr_factor(1) == 1.0


def test_what_is_pruned_already_stands_before_other_zeros():
    layers = (Layer("a", (4, 1)), Layer("b", (3, 1)))

    def elements(a, b):
        flags = {layers[0]: torch.tensor(a), layers[1]: torch.tensor(b)}
        return ElementSet.of(Granularity.WEIGHT, {k: v.bool()[:, None] for k, v in flags.items()})

    found = elements([1, 1, 1, 0], [0, 0, 0])
    assert containing(found, elements([1, 0, 0, 0], [0, 0, 0])) == found
    assert containing(found, elements([0, 0, 0, 1], [0, 0, 0])) == elements([1, 1, 0, 1], [0, 0, 0])
    assert containing(found, elements([1, 0, 0, 0], [0, 1, 1])) == elements([1, 0, 0, 0], [0, 1, 1])
    assert containing(found, elements([1, 1, 0, 0], [1, 0, 0])) == elements([1, 1, 0, 0], [1, 0, 0])


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=7, max_size=150))
def test_as_many_as_were_ranked_with_all_that_is_pruned(flags):
    half = len(flags) // 2
    layers = (Layer("a", (half, 1)), Layer("b", (len(flags) - half, 1)))

    def elements(values):
        both = torch.tensor(values)[:, None].split([half, len(flags) - half])
        return ElementSet.of(Granularity.WEIGHT, dict(zip(layers, both, strict=True)))

    found = elements([one for one, _ in flags])
    pruned = elements([one for _, one in flags])
    assume(len(pruned) <= len(found))
    result = containing(found, pruned)
    assert len(result) == len(found)
    assert not (pruned.words & ~result.words).any()
    assert not (result.words & ~(found.words | pruned.words)).any()
