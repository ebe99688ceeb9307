"""What masks leave of the costs is what smaller layers really cost."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from network_prune.deploy.costs.left import LayerCosts, layer_costs
from network_prune.sources.networks.load import load_network
from network_prune.sources.networks.multiply_adds import counted_multiply_adds, multiply_adds

SIDE = 9


def loaded(model):
    digits = load_network("digits")
    preprocessing = digits.preprocessing.replace(
        crop=SIDE, resize=SIDE, mean=(0.0,) * 3, std=(1.0,) * 3
    )
    return replace(digits, model=model.eval(), preprocessing=preprocessing)


def record(**zeroed):
    return {"realised": {"layers": [{"name": k, "zeroed": v} for k, v in zeroed.items()]}}


def macs(model):
    with torch.no_grad():
        return counted_multiply_adds(lambda: model(torch.zeros(1, 3, SIDE, SIDE)))


class Twice(nn.Sequential):
    """Calls its layers twice."""

    def forward(self, x):
        return super().forward(x) + super().forward(x.flip(2))


@pytest.mark.parametrize("of", [nn.Sequential, Twice])
@pytest.mark.parametrize(
    "make",
    [
        lambda out: nn.Conv2d(3, out, 3, stride=2, padding=1),
        lambda out: nn.Conv2d(3, out, (1, 3), dilation=2, bias=False),
        lambda out: nn.Conv2d(3, 3 * out, 3, groups=3),
        lambda out: nn.ConvTranspose2d(3, out, 2, stride=2),
        lambda out: nn.Linear(SIDE, out),
    ],
)
def test_with_half_the_outputs_masked_it_costs_what_half_the_outputs_do(of, make):
    whole, half = of(make(8)), of(make(4))
    costs = layer_costs(loaded(whole))
    left = costs.left([record(**{"0": whole[0].weight.numel() // 2})])
    assert left.macs == pytest.approx(macs(half) / macs(whole))
    assert left.parameters == 1 - whole[0].weight.numel() / 2 / costs.parameters


def test_of_several_draws_it_is_the_mean():
    costs = LayerCosts(parameters=100, macs=1000, uses={"a": 4.0, "b": 0.0})
    left = costs.left([record(a=25, b=5), record(a=50)])
    assert (left.parameters, left.macs) == pytest.approx((0.6, 0.85))


@pytest.mark.parametrize("name", ["digits", "digits-plain", "digits-attention", "digits-mixer"])
def test_the_dense_network_costs_what_its_architecture_says(name):
    network = load_network(name)
    costs = layer_costs(network)
    assert costs.macs == multiply_adds(name, {})
    assert costs.parameters == sum(p.numel() for p in network.model.parameters())
    assert not any(module._forward_hooks for module in network.model.modules())


def test_multiply_adds_of_weights_read_without_their_layer_are_not_told():
    attention = nn.MultiheadAttention(SIDE, 3, batch_first=True)

    class Attends(nn.Sequential):
        def forward(self, x):
            return self[0](x[:, 0], x[:, 0], x[:, 0])[0]

    costs = layer_costs(loaded(Attends(attention)))
    assert costs.left([record(**{"0.in_proj_weight": 9})]).macs is None
    assert costs.left([record(**{"0.in_proj_bias": 9})]).macs == 1.0
