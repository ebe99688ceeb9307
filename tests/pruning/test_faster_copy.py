"""A prepared network computes what the network does, faster, and leaves it alone."""

import functools

import pytest
import torch
from torch import Tensor, nn

import network_prune as npr
from network_prune.errors import ArgumentError, UnsupportedNetworkError
from network_prune.pruning.faster_copy.folding import fold_norms
from network_prune.pruning.faster_copy.prepare import Prepared, Speed, prepare
from tests import networks


def with_statistics(model: nn.Module) -> nn.Module:
    """Give every BatchNorm statistics, weights and biases of either sign."""
    generator = torch.Generator().manual_seed(4)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.copy_(torch.randn(module.num_features, generator=generator))
            module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.1)
            if module.affine:
                with torch.no_grad():
                    module.weight.copy_(torch.randn(module.num_features, generator=generator))
                    module.bias.copy_(torch.randn(module.num_features, generator=generator))
    return model.eval()


def assert_same_outputs(prepared: Prepared, model: nn.Module, *, tolerance: float = 1e-5) -> None:
    x = networks.inputs(model)
    with torch.no_grad():
        wanted, found = model.eval()(x), prepared.model(x)
    assert (found - wanted).abs().max() <= tolerance * wanted.abs().max()


def test_folding_by_hand():
    convolution, norm = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, eps=0.0)
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor([3.0, 0.0]).reshape(2, 1, 1, 1))
        convolution.bias.copy_(torch.tensor([1.0, 2.0]))
        norm.running_mean.copy_(torch.tensor([5.0, 4.0]))
        norm.running_var.copy_(torch.tensor([4.0, 16.0]))
        norm.weight.copy_(torch.tensor([2.0, -8.0]))
        norm.bias.copy_(torch.tensor([0.5, 0.25]))
    model = nn.Sequential(convolution, norm).eval()
    assert fold_norms(model) == 1
    # (3 x + 1 - 5) 2 / 2 + 0.5 and (0 x + 2 - 4) (-8) / 4 + 0.25
    assert convolution.weight.flatten().tolist() == [3.0, 0.0]
    assert convolution.bias.tolist() == [-3.5, 4.25]
    assert not convolution.weight.signbit().any()
    assert type(model[1]) is nn.Identity


@pytest.mark.parametrize("name", networks.AWKWARD)
def test_outputs_are_those_of_the_network_which_is_untouched(name):
    model = with_statistics(networks.build(name))
    if name == "tied":
        model.train()
    before = networks.snapshot(model)
    prepared = prepare(model, Speed())
    assert networks.snapshot(model) == before
    tolerance = {"half": 5e-3, "bfloat16": 3e-2}.get(name, 1e-5)
    assert_same_outputs(prepared, model, tolerance=tolerance)
    if prepared.model is not model:
        assert not any(module.training for module in prepared.model.modules())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "densenet121", "googlenet"])
def test_public_networks_agree_to_1e_4(name):
    model = with_statistics(npr.load_network(name, weights="none").model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    prepared = prepare(model, Speed())
    assert prepared.channels_last
    assert prepared.folded > 15
    with torch.no_grad():
        wanted = model(x)
        found = prepared.model(x.contiguous(memory_format=torch.channels_last))
    assert (found - wanted).abs().max() <= 1e-4 * wanted.abs().max()


@pytest.mark.parametrize("granularity", ["weight", "connection", "neuron"])
def test_drawing_on_the_copy_equals_preparing_the_pruned_network(granularity):
    model = with_statistics(networks.build("plain"))
    prunable = npr.rank(model, granularity, p_prune=0.6)
    prepared = prepare(model, Speed())
    assert (prepared.folded, prepared.channels_last) == (1, True)
    with npr.Redrawer(prepared.model, prunable, p_bern=0.5, seed=3) as redrawer:
        for index in range(3):
            redrawer.redraw(index)
            with npr.prune(model, prunable, p_bern=0.5, seed=3, index=index) as pruned:
                other = prepare(model, Speed())
                assert npr.rank(other.model, p_prune=0.5)
                assert_same_outputs(prepared, model)
                for layer in pruned.draw.layers:
                    weights = [networks.weight_of(p.model, layer.name) for p in (prepared, other)]
                    assert networks.same_bits(*weights)
                    zeros = weights[0][~pruned.draw.mask(layer.name)]
                    assert not zeros.any()
                    assert not zeros.signbit().any()


def test_a_silenced_neuron_stays_silent():
    model = with_statistics(networks.build("plain"))
    with npr.prune_neurons(model, p_prune=0.5, with_norm=True) as pruned:
        prepared = prepare(model, Speed())
        assert prepared.folded == 1
        silenced = pruned.draw.pruned("0")
        out = prepared.model[:2](networks.inputs())
        assert not out[:, silenced].any()
        assert_same_outputs(prepared, model)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_dtype_casts_the_copy(dtype):
    model = with_statistics(networks.build("plain"))
    prepared = prepare(model, Speed(dtype=dtype))
    wanted = getattr(torch, dtype)
    assert {p.dtype for p in prepared.model.parameters()} == {wanted}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    exact = prepare(model, Speed()).model[0].weight
    assert torch.equal(prepared.model[0].weight, exact.to(wanted))


def test_values_that_a_dtype_cannot_hold_are_not_folded():
    model = with_statistics(networks.build("plain"))
    model[1].weight.data[0] = 1e6
    assert prepare(model, Speed(dtype="float16")).folded == 0
    assert prepare(model, Speed(dtype="bfloat16")).folded == 1
    model[1].weight.data[0] = 1e-9
    assert prepare(model, Speed(dtype="float16")).folded == 0
    model[1].weight.data[0] = torch.nan
    assert prepare(model, Speed()).folded == 0


# --- pairs that are left alone ------------------------------------------------------------


class Pair(nn.Module):
    def __init__(self, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4) if norm is None else norm

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class Residual(Pair):
    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.bn(y) + y


class Twice(Pair):
    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(self.bn(self.conv(x))))


class NormTwice(Pair):
    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.bn(self.conv(x)))


class ReadsWeight(Pair):
    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)) * self.conv.weight.mean()


class Branches(Pair):
    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)) if x.sum() > 0 else self.conv(x)


class SharedWeight(Pair):
    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Conv2d(4, 4, 3, padding=1)
        self.other.weight = self.conv.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)) + self.other(x)


class Doubling(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input) + 1


class OwnConvolution(Pair):
    def __init__(self) -> None:
        super().__init__()
        self.conv = Doubling(4, 4, 3)


class Squared(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).square()


class ReadsStatistics(Pair):
    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)) - self.bn.running_mean.reshape(-1, 1, 1)


class InList(Pair):
    """Its forward finds the modules in a list of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = [self.conv, self.bn]

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = step(x)
        return x


def batch_statistics() -> nn.Module:
    return Pair(nn.BatchNorm2d(4, track_running_stats=False))


def another_dtype() -> nn.Module:
    model = Pair()
    model.bn.running_var = model.bn.running_var.double()
    return model


ALONE = [
    Residual,
    Twice,
    NormTwice,
    ReadsWeight,
    Branches,
    SharedWeight,
    OwnConvolution,
    lambda: Pair(Squared(4)),
    ReadsStatistics,
    InList,
    batch_statistics,
    another_dtype,
]


@pytest.mark.parametrize("build", ALONE)
def test_what_folding_might_change_is_left_alone(build):
    torch.manual_seed(2)
    model = with_statistics(build())
    prepared = prepare(model, Speed())
    assert prepared.folded == 0
    if build is not another_dtype:
        assert_same_outputs(prepared, model)


class Caching(Pair):
    """It keeps what it computes first, which tracing must not leave symbols in."""

    cache = None

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        if self.cache is None:
            self.cache = y.mean()
        return y - self.cache


class Random(Pair):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (0 * torch.rand(1) + 1)


@pytest.mark.parametrize("build", [Pair, Caching, Random, lambda: nn.Sequential(Pair())])
def test_other_ways_to_write_a_pair_are_folded(build):
    torch.manual_seed(2)
    model = with_statistics(build())
    state = torch.get_rng_state()
    prepared = prepare(model, Speed())
    assert torch.equal(torch.get_rng_state(), state)
    assert prepared.folded == 1
    assert_same_outputs(prepared, model)


# --- networks that run themselves ---------------------------------------------------------


def closure() -> nn.Module:
    model = networks.build("plain")
    model.steps = [lambda x: model[0](x)]
    return model


def replaced_forward() -> nn.Module:
    model = networks.build("plain")
    model.forward = functools.partial(lambda forward, x: forward(x), model.forward)
    model.twin = lambda x: model(x)
    return model


class Uncopyable(Pair):
    def __deepcopy__(self, memo: object) -> nn.Module:
        raise TypeError("holds a\nlock")


ITSELF = {
    "hooks": (lambda: networks.build("with hooks"), "it carries hooks"),
    "shared memory": (lambda: networks.build("shared storage"), "Parameters share memory"),
    "closure": (closure, "its functions would use the original"),
    "replaced forward": (replaced_forward, "its functions would use the original"),
    "TorchScript": (lambda: torch.jit.script(nn.Conv2d(4, 4, 3)), "compiled by TorchScript"),
    "lazy": (lambda: nn.Sequential(nn.LazyConv2d(4, 3)), "Parameters share memory"),
    "no copies": (Uncopyable, r"TypeError: holds a lock"),
}


@pytest.mark.filterwarnings("ignore:.*torch.jit")
@pytest.mark.parametrize("kind", ITSELF)
def test_a_network_that_has_no_safe_copy_is_used_as_it_is(kind):
    build, reason = ITSELF[kind]
    model = build()
    assert prepare(model, Speed()) == Prepared(model)
    for speed in (Speed(dtype="bfloat16"), Speed(compile=True)):
        with pytest.raises(UnsupportedNetworkError, match=f"can't be copied .*{reason}.*--dtype"):
            prepare(model, speed)


def test_with_everything_off_or_nothing_to_gain_the_network_runs_itself():
    off = Speed(channels_last=False, fold=False)
    for model, speed in ((networks.build("plain"), off), (nn.Linear(2, 3), Speed())):
        assert prepare(model, speed) == Prepared(model)


def test_each_setting_alone():
    model = with_statistics(networks.build("plain"))
    last = prepare(model, Speed(fold=False))
    assert (last.channels_last, last.folded) == (True, 0)
    weight = last.model[3].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    folded = prepare(model, Speed(channels_last=False))
    assert (folded.channels_last, folded.folded) == (False, 1)
    assert folded.model[3].weight.is_contiguous()


def test_an_unknown_dtype_is_refused():
    with pytest.raises(ArgumentError, match="unknown dtype 'float61'; did you mean float16"):
        Speed(dtype="float61")


def test_compiling_keeps_names_and_sees_draws(monkeypatch):
    monkeypatch.setattr(
        nn.Module, "compile", lambda self: setattr(self, "_compiled_call_impl", self._call_impl)
    )
    model = networks.build("plain")
    prepared = prepare(model, Speed(compile=True))
    assert prepared.compiled
    assert model._compiled_call_impl is None
    names = [name for name, _ in model.named_modules()]
    assert [name for name, _ in prepared.model.named_modules()] == names


@pytest.mark.slow
def test_compiled_networks_compute_the_same():
    model = with_statistics(networks.build("plain"))
    prunable = npr.rank(model, p_prune=0.6)
    prepared = prepare(model, Speed(compile=True))
    with npr.Redrawer(prepared.model, prunable, p_bern=0.5) as redrawer:
        for index in range(2):
            redrawer.redraw()
            with npr.prune(model, prunable, p_bern=0.5, index=index):
                assert_same_outputs(prepared, model)
