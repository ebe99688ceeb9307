"""Ensemble: several models' logits, averaged."""

import copy

import pytest
import torch
from torch import nn

import network_prune as npr
from tests.networks import build, inputs


def test_logits_are_averaged_and_gradients_too():
    models = [build("plain").eval(), build("already sparse").eval()]
    x, twin = inputs(requires_grad=True), inputs(requires_grad=True)
    y = npr.Ensemble(models)(x)
    expected = (models[0](twin) + models[1](twin)) / 2
    torch.testing.assert_close(y, expected)
    y.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(x.grad, twin.grad)


def test_surrogates_of_one_network_may_stand_beside_each_other():
    model = build("plain").eval()
    prunable = npr.rank(model, p_prune=0.5)
    members = [npr.Diversified(model, prunable, p_bern=0.5, seed=seed) for seed in (1, 2)]
    ensemble = npr.Ensemble(members)
    expected = sum(copy.deepcopy(member)(inputs()) for member in members) / 2
    torch.testing.assert_close(ensemble(inputs()), expected)
    assert [member.index for member in ensemble.models] == [0, 0]
    names = [name for name, _ in ensemble.named_parameters()]
    assert len(names) == len(list(model.parameters()))


def test_no_model_is_refused():
    with pytest.raises(npr.NetworkPruneError, match="models is empty; pass at least one"):
        npr.Ensemble([])


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (nn.Flatten(), r"\[2, 4, 8, 8\], \[2, 256\]"),
        (nn.MaxPool2d(1, 1, return_indices=True), "tuple"),
    ],
)
def test_outputs_of_other_shapes_are_refused(other, found):
    ensemble = npr.Ensemble([nn.Identity(), other])
    with pytest.raises(npr.NetworkPruneError, match=f"returned .*{found}"):
        ensemble(inputs())
