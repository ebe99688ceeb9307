"""with_norm=True: a pruned neuron sends out zeros, or the network is refused."""

import pytest
import torch
from torch import Tensor, nn

import network_prune as npr
import networks


def with_statistics(model: nn.Module) -> nn.Module:
    """Give every BatchNorm a mean, a bias and a weight that show when they leak."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.fill_(0.5)
            if module.affine:
                nn.init.constant_(module.weight, 2.0)
                nn.init.constant_(module.bias, 3.0)
    return model.eval()


def conv_bn(**options: bool) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8, **options), nn.ReLU())


def test_silenced_neurons_send_out_exactly_zero_and_others_are_unaltered():
    model = with_statistics(conv_bn())
    dense = model(networks.inputs())
    with npr.prune_neurons(model, p_prune=0.5, with_norm=True) as pruned:
        silenced = pruned.draw.pruned("0")
        out = model(networks.inputs())
        assert int(silenced.sum()) == 4
        assert not out[:, silenced].any()
        assert torch.equal(out[:, ~silenced], dense[:, ~silenced])
        assert not model[0](networks.inputs())[:, silenced].any()
    assert torch.equal(model(networks.inputs()), dense)


def test_without_it_a_neuron_sends_out_its_norms_constant():
    model = with_statistics(conv_bn())
    nn.init.zeros_(model[0].bias)
    with npr.prune_neurons(model, p_prune=0.5) as pruned:
        out = model(networks.inputs())[:, pruned.draw.pruned("0")]
        constant = model[1](torch.zeros(1, 8, 1, 1))[:, pruned.draw.pruned("0")]
        assert torch.equal(out, constant.expand_as(out))
        assert bool((constant != 0).all())


def test_training_keeps_a_silenced_neuron_silent():
    model = with_statistics(conv_bn()).train()
    pruned = npr.prune_neurons(model, p_prune=0.5, with_norm=True)
    silenced = pruned.draw.pruned("0")
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        out = model(networks.inputs())
        assert not out[:, silenced].any()
        out.square().sum().backward()
        assert not model[0].bias_orig.grad[silenced].any()
        assert not model[1].bias_orig.grad[silenced].any()
        optimizer.step()


def test_without_a_norm_the_bias_alone_is_pruned():
    model = nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 2, 1))
    with npr.prune_neurons(model, p_prune=0.5, with_norm=True, exclude=["2"]) as pruned:
        silenced = pruned.draw.pruned("0")
        assert not model[0](networks.inputs())[:, silenced].any()
        assert networks.masked_tensors(model) == [(model[0], "weight"), (model[0], "bias")]


@pytest.mark.parametrize("index", [0, 1])
def test_redraw_moves_the_silence(index):
    model = with_statistics(conv_bn())
    pruned = npr.prune_neurons(model, p_prune=1.0, p_bern=0.5, with_norm=True, index=index)
    for _ in range(3):
        silenced = pruned.draw.pruned("0")
        out = model(networks.inputs())
        assert not out[:, silenced].any()
        assert bool(out[:, ~silenced].flatten(2).any(2).all())
        pruned.redraw()


class TwoNormsOneConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)
        self.one = nn.BatchNorm2d(4)
        self.two = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.conv(self.one(self.conv(x))))


class OneNormTwoConvs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(4, 4, 1)
        self.b = nn.Conv2d(4, 4, 1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.b(self.norm(self.a(x))))


class NormAlsoOfInput(OneNormTwoConvs):
    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.a(x)) + self.norm(x)


class Untraceable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) if x.sum() > 0 else x


REFUSED = {
    "two norms read one layer": (TwoNormsOneConv, (), "layer 'conv' shares its BatchNorm"),
    "a norm reads two layers": (OneNormTwoConvs, (), "layer '[ab]' shares its BatchNorm"),
    "a norm reads an unranked layer too": (OneNormTwoConvs, ["b"], "layer 'a' shares its BatchN"),
    "a norm reads the input too": (NormAlsoOfInput, ["b"], "layer 'a' shares its BatchNorm"),
    "a norm without weights": (lambda: conv_bn(affine=False), (), "layer '0' .*affine=False"),
    "no graph": (Untraceable, (), r"needs torch.fx to trace Untraceable, .*with_norm=False"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_silenced_is_refused(case):
    build, exclude, message = REFUSED[case]
    model = build().eval()
    before = networks.snapshot(model)
    with pytest.raises(npr.NetworkPruneError, match=message):
        npr.prune_neurons(model, p_prune=0.5, with_norm=True, exclude=exclude)
    assert networks.snapshot(model) == before


@pytest.mark.parametrize("granularity", ["weight", "connection"])
def test_it_goes_with_neurons_only(granularity):
    model = conv_bn()
    before = networks.snapshot(model)
    with pytest.raises(npr.NetworkPruneError, match=f"goes with neurons, not with {granularity}s"):
        npr.prune(model, npr.rank(model, granularity, p_prune=0.5), with_norm=True)
    assert networks.snapshot(model) == before


def test_layers_that_share_a_weight_are_silent_in_every_use():
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = conv_bn()
            self.b = conv_bn()
            self.b[0].weight = self.a[0].weight

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.a(x), self.b(x)

    model = with_statistics(Branches())
    with npr.prune_neurons(model, p_prune=0.5, with_norm=True) as pruned:
        for out in model(networks.inputs()):
            assert not out[:, pruned.draw.pruned("a.0")].any()


def test_a_layer_used_twice_with_its_own_norm_is_accepted():
    class Siamese(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = conv_bn()

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x) - self.net(2 * x)

    model = with_statistics(Siamese())
    with npr.prune_neurons(model, p_prune=0.5, with_norm=True) as pruned:
        assert not model(networks.inputs())[:, pruned.draw.pruned("net.0")].any()
