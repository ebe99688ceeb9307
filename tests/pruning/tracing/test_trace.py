"""Tracing finds what torch.fx finds, and no other thread notices it."""

import copy
import gc
import math
import threading
import types
import weakref

import pytest
import torch
import torchvision
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

import network_prune as npr
import networks
from network_prune.pruning.faster_copy import folding
from network_prune.pruning.faster_copy.folding import fold_norms
from network_prune.pruning.masks import norms
from network_prune.pruning.ranking.rankable import MAPS
from network_prune.pruning.tracing.trace import trace

# --- the same as torch.fx -----------------------------------------------------------------


class TorchTracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        leaf = isinstance(m, (*MAPS, _BatchNorm))
        return leaf or super().is_leaf_module(m, module_qualified_name)


def by_torch(model: nn.Module, *, without=()) -> fx.Graph:
    tensors = [*model.parameters(), *model.buffers()]
    twin = copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})
    for path in without:
        twin.set_submodule(path, nn.Identity())
    with torch.no_grad():
        return TorchTracer().trace(twin)


def found(model: nn.Module) -> dict[str, object]:
    """What folding and ``with_norm`` find in a network."""
    names = {module: name for name, module in model.named_modules()}
    layers = {m: name for m, name in names.items() if isinstance(m, nn.Conv2d | nn.Linear)}
    try:
        pairs = norms.following_norms(model, layers)
        follow = {names[layer]: names[norm] for layer, norm in pairs.items()}
    except npr.NetworkPruneError as error:
        follow = type(error)
    return {"follow": follow, "folded": fold_norms(copy.deepcopy(model))}


def torchvision_network(name: str) -> nn.Module:
    with torch.device("meta"):
        model = torchvision.models.get_model(name, weights=None)
    model = model.to_empty(device="cpu")
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data.fill_(1)
    return model.eval()


def swin() -> nn.Module:
    """Its windows are shifted in a function that torch.fx.wrap was called with."""
    sizes = {"patch_size": [4, 4], "embed_dim": 8, "window_size": [4, 4]}
    return torchvision.models.SwinTransformer(depths=[2, 2], num_heads=[1, 2], **sizes).eval()


def stochastic_depth() -> nn.Module:
    """In training it asks for shapes, in such a function."""
    depth = torchvision.ops.StochasticDepth(0.5, "row")
    return nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4).eval(), depth)


class Roots(nn.Module):
    """Functions of math take symbols here, in a method and in a function beside the class."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor, *more: Tensor, factor: float = 2.0) -> Tensor:
        return self.rooted(self.norm(self.first(x)) * self.scale) * factor

    def rooted(self, x: Tensor) -> Tensor:
        return half_root(x) / math.sqrt(x.shape[1])


def half_root(x: Tensor) -> Tensor:
    return rounded_up(x / math.sqrt(x.shape[-1]))


elsewhere = types.ModuleType("elsewhere")
exec("import math\ndef rounded_up(x): return x / math.ceil(x.shape[-1])", vars(elsewhere))
rounded_up = elsewhere.rounded_up


NETWORKS = {
    **{name: lambda name=name: networks.build(name).eval() for name in networks.AWKWARD},
    **{
        name: lambda name=name: torchvision_network(name)
        for name in ("resnet18", "mobilenet_v3_small")
    },
    "swin": swin,
    "stochastic depth": stochastic_depth,
    "roots": lambda: Roots().eval(),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_found_is_what_torch_finds(name, monkeypatch):
    model = NETWORKS[name]()
    ours = found(model)
    monkeypatch.setattr(norms, "trace", by_torch)
    monkeypatch.setattr(folding, "trace", by_torch)
    assert ours == found(model)


def test_the_networks_cover_each_outcome():
    all_found = [found(NETWORKS[n]()) for n in ("plain", "roots", "stochastic depth", "swin")]
    assert [(f["folded"], len(f["follow"])) for f in all_found] == [(1, 1)] * 3 + [(0, 0)]


# --- nobody notices -----------------------------------------------------------------------


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


def in_a_thread(work) -> object:
    results = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


class Beside(Pair):
    """While it is traced another thread works with plain PyTorch."""

    work = staticmethod(lambda: None)

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(x, fx.Proxy):
            BESIDE.append(in_a_thread(type(self).work))
        return super().forward(x)


BESIDE: list[object] = []


@pytest.fixture
def beside(monkeypatch):
    def work_of(work) -> Beside:
        monkeypatch.setattr(Beside, "work", staticmethod(work))
        BESIDE.clear()
        return Beside().eval()

    return work_of


def test_a_thread_beside_finds_pytorch_as_it_is(beside):
    def pytorch() -> list[object]:
        wrapped = vars(torchvision.ops.stochastic_depth)
        is_tracing = fx._symbolic_trace.is_fx_tracing()
        return [nn.Module.__call__, nn.Module.__getattr__, math.sqrt, dict(wrapped), is_tracing]

    usual = pytorch()
    model = beside(pytorch)
    assert fold_norms(model) == 1
    assert len(BESIDE) == 2
    assert [usual, usual] == BESIDE
    assert pytorch() == usual


def test_a_thread_beside_computes_what_it_does_alone(beside):
    other, x = networks.build("plain").eval(), networks.inputs()
    alone = other(x)
    model = beside(lambda: other(x))
    npr.prune_neurons(model, p_prune=0.5, with_norm=True).restore()
    assert len(BESIDE) == 1
    assert networks.same_bits(BESIDE[0], alone)


def test_what_a_thread_beside_draws_is_drawn(beside):
    model = beside(lambda: torch.rand(3))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        wanted = torch.rand(9)
        torch.manual_seed(5)
        assert fold_norms(model) == 1
        assert len(BESIDE) == 2
        assert torch.equal(torch.cat([*BESIDE, torch.rand(3)]), wanted)


class Drawing(Pair):
    def forward(self, x: Tensor) -> Tensor:
        noise = nn.functional.dropout(torch.rand(4), training=True).normal_() + torch.randperm(4)
        return super().forward(x) + 0 * noise.reshape(-1, 1, 1)


def test_what_the_network_draws_is_put_back():
    model = Drawing().eval()
    state = torch.get_rng_state()
    assert fold_norms(model) == 1
    assert torch.equal(torch.get_rng_state(), state)


# --- the network is left alone ------------------------------------------------------------


class Keeping(Pair):
    last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.last = super().forward(x)
        self.scratch = nn.Parameter(torch.ones(1))
        return self.last


class Failing(Pair):
    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x) if x.sum() > 0 else x)


@pytest.mark.parametrize("kind", [Pair, Keeping, Failing])
def test_the_network_is_left_alone(kind):
    model = kind().eval()
    before, attributes = networks.snapshot(model), [dict(vars(m)) for m in model.modules()]
    fold = copy.deepcopy(model)
    assert fold_norms(fold) == (kind is not Failing)
    if kind is Failing:
        with pytest.raises(npr.NetworkPruneError, match=r"needs torch\.fx to trace Failing"):
            npr.prune_neurons(model, p_prune=0.5, with_norm=True)
    else:
        npr.prune_neurons(model, p_prune=0.5, with_norm=True).restore()
    assert networks.snapshot(model) == before
    assert [dict(vars(m)) for m in model.modules()] == attributes


def test_a_computed_tensor_on_the_network_is_no_hindrance():
    model = Keeping()
    model(networks.inputs())
    assert model.last is not None
    npr.prune_neurons(model, p_prune=0.5, with_norm=True).restore()


def test_nothing_holds_the_weights_afterwards():
    model = Pair().eval()
    gone = weakref.ref(model.conv.weight.untyped_storage())
    gc.disable()
    try:
        trace(model)
        del model
        assert gone() is None
    finally:
        gc.enable()


def test_a_forward_that_is_no_method_of_the_network_is_not_folded():
    model = Pair().eval()
    model.forward = torch.nn.functional.relu
    assert fold_norms(model) == 0
    model.forward = model.conv.forward
    assert fold_norms(model) == 0


class Other(Pair):
    def __init__(self) -> None:
        super().__init__()
        self.forward = self.plainly

    def plainly(self, x: Tensor) -> Tensor:
        return self.conv(x)


def test_the_forward_that_a_network_chose_is_the_one_that_counts():
    assert fold_norms(Other().eval()) == 0


def test_layers_of_another_network_are_not_taken_for_its_own():
    conv = nn.Conv2d(4, 4, 1)
    model = nn.Sequential(conv, nn.BatchNorm2d(4)).eval()
    model.steps = [lambda x: conv(x)]
    calls = type("Calls", (nn.Sequential,), {"forward": lambda self, x: self[1](self.steps[0](x))})
    model.__class__ = calls
    with pytest.raises(npr.NetworkPruneError, match="parameter is not a member of this module"):
        npr.prune_neurons(model, p_prune=0.5, with_norm=True)
