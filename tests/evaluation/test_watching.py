"""The watch over weights judges by values, fails without harm, and leaves no trace."""

import random
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import network_prune as npr
from network_prune.errors import UnsupportedNetworkError
from network_prune.evaluation.evaluate import evaluate
from network_prune.pruning.operands import Operands
from tests.studies import look_at, variant_of

ANOTHER = "layer 'first' with another weight than the layer's own .*; exclude first"
AS_COPY_AND_ITSELF = [{}, {"channels_last": False, "fold": False}]


class Net(nn.Module):
    def __init__(self, make=lambda weight: weight) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 6, 3), nn.Linear(6, 7)
        self.make = make

    def forward(self, x: Tensor) -> Tensor:
        weight = self.make(self.first.weight)
        return self.last(F.conv2d(x, weight, self.first.bias).mean((2, 3)))


def net(make=lambda weight: weight) -> Net:
    torch.manual_seed(5)
    return Net(make).eval()


@pytest.fixture
def silence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def use(model: nn.Module, data: TensorDataset, **options) -> None:
    """Use a network wherever it is watched."""
    npr.rank(model, p_prune=0.5, score="taylor", data=DataLoader(data, 8))
    look_at(model, data, [variant_of(p_prune=0.5)])
    with npr.prune_weights(model, p_prune=0.5):
        evaluate(model, data, **options)


# --- by values ----------------------------------------------------------------------------


def ternary(weight: Tensor) -> Tensor:
    return weight + (weight.sign() * (weight.abs() > 0.1) - weight).detach()


def in_two_parts(weight: Tensor) -> Tensor:
    made = torch.empty_like(weight)
    made[:3], made[3:] = weight[:3] * 2, weight[3:]
    return made


KEEPING = {
    "clamp": lambda w: w.clamp(-0.1, 0.1),
    "hardtanh": lambda w: F.hardtanh(w, -0.1, 0.1),
    "softshrink": lambda w: F.softshrink(w, 0.1),
    "threshold": lambda w: w * (w.abs() > 0.1),
    "straight through": ternary,
    "power": lambda w: w.pow(2) * w.sign(),
    "normalised": lambda w: F.normalize(w, dim=1),
    "max norm": lambda w: torch.renorm(w, 2, 0, 0.5),
    "dropped": lambda w: F.dropout(w, 0.5),
    "noise times weight": lambda w: w * torch.randn_like(w),
    "joined": lambda w: torch.cat([w[:2].clamp(-0.1, 0.1), w[2:]]),
    "stacked": lambda w: torch.stack([row * 2 for row in w]),
    "nothing added": lambda w: w + torch.zeros_like(w),
    "filled in": in_two_parts,
    "out": lambda w: torch.mul(w.detach(), 2, out=torch.empty_like(w)),
    "rolled": lambda w: w.roll(1, 0).flip(-1).contiguous(),
}


@pytest.mark.parametrize("options", AS_COPY_AND_ITSELF)
@pytest.mark.parametrize("name", KEEPING)
def test_weights_whose_zeros_stay_zeros_are_taken_for_the_weights(name, options, data, silence):
    use(net(KEEPING[name]), data, **options)


def test_a_weight_limited_in_place_in_forward_is_the_weight(data, silence):
    class MaxNorm(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            self.weight.data = torch.renorm(self.weight.data, p=2, dim=0, maxnorm=1)
            return super().forward(x)

    model = nn.Sequential(MaxNorm(3, 7, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    for options in AS_COPY_AND_ITSELF:
        with npr.prune_weights(model, p_prune=0.5):
            evaluate(model, data, **options)


def test_rows_picked_from_a_tied_weight_are_no_weight(silence):
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(3, 12), nn.Linear(3, 7)

        def forward(self, x: Tensor) -> Tensor:
            ids = x.flatten(1)[:, :3].abs().mul(5).long().clamp(0, 11)
            found = F.embedding(ids, self.first.weight) + 1  # [4, 3, 3]: as many as the weight
            return self.last((found @ found.mT).mean(1)) + self.first(x.mean((2, 3))).mean()

    data = TensorDataset(torch.randn(4, 3, 4, 4), torch.arange(4))
    model = Tied().eval()
    npr.rank(model, p_prune=0.5, score="taylor", layers=[nn.Linear], data=DataLoader(data, 4))
    npr.prune_weights(model, p_prune=0.5, layers=[nn.Linear])
    for options in AS_COPY_AND_ITSELF:
        evaluate(model, data, **options)


def added_to_a_part(weight: Tensor) -> Tensor:
    made = weight.detach().clone()
    made[:3] += 0.5
    return made


def written_in_parts(weight: Tensor) -> Tensor:
    made = torch.zeros(6, 3, 3, 3)
    made[:3], made[3:] = weight[:3].detach(), weight[3:].detach() + 1
    return made


def standardised(weight: Tensor) -> Tensor:
    return torch.stack([(row - row.mean()) / row.std() for row in weight])


CHANGING = {
    "rows": standardised,
    "joined": lambda w: torch.cat([w[:3] + 1, w[3:]]),
    "out": lambda w: torch.add(w.detach(), 1.0, out=torch.zeros(6, 3, 3, 3)),
    "part in place": added_to_a_part,
    "written in parts": written_in_parts,
    "each": lambda w: torch._foreach_add([w.detach()], 1.0)[0],
}


@pytest.mark.parametrize("options", AS_COPY_AND_ITSELF)
@pytest.mark.parametrize("name", CHANGING)
def test_weights_changed_in_parts_or_in_place_are_refused(name, options, data):
    model = net(CHANGING[name])
    with pytest.raises(UnsupportedNetworkError, match=ANOTHER):
        npr.rank(model, p_prune=0.5, score="taylor", layers=[nn.Conv2d], data=[data.tensors])
    with pytest.raises(UnsupportedNetworkError, match=ANOTHER):
        look_at(model, data, [variant_of(p_prune=0.5)])
    npr.prune_weights(model, p_prune=0.5)
    with pytest.raises(UnsupportedNetworkError, match=ANOTHER):
        evaluate(model, data, **options)


def test_something_added_to_a_third_of_a_projection_is_refused(data):
    class Adapted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(3, 18), nn.Linear(6, 7)
            self.delta = nn.Parameter(torch.full((6, 3), 0.1))

        def forward(self, x: Tensor) -> Tensor:
            query, key, value = self.first.weight.chunk(3)
            z = x.mean((2, 3))
            return self.last(F.linear(z, query + self.delta) * F.linear(z, key) + z @ value.T)

    model = Adapted().eval()
    npr.prune_weights(model, p_prune=0.5, layers=[nn.Linear])
    for options in AS_COPY_AND_ITSELF:
        with pytest.raises(UnsupportedNetworkError, match=ANOTHER):
            evaluate(model, data, **options)


# --- a watch that fails -------------------------------------------------------------------


class Branching(Net):
    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x).mean((2, 3))
        y = torch.cond(y.sum() > 0, lambda y: y.sin(), lambda y: y.cos(), (y,))
        return self.last(y)


UNCHECKED = "could not be checked"


def test_control_flow_is_computed_and_told_not_to_be_checked(data):
    model = Branching().eval()
    with pytest.warns(UserWarning, match=UNCHECKED):
        npr.rank(model, p_prune=0.5, score="taylor", data=DataLoader(data, 8))
    npr.prune_weights(model, p_prune=0.5)
    for options in AS_COPY_AND_ITSELF:
        with pytest.warns(UserWarning, match=UNCHECKED):
            evaluate(model, data, **options)


@pytest.mark.parametrize("fails", ["_before", "__enter__"])
def test_a_watch_that_fails_hinders_nothing(fails, data, monkeypatch):
    def fail(*_):
        raise RuntimeError("no")

    model = net()
    wanted = npr.rank(model, p_prune=0.5, score="taylor", data=DataLoader(data, 8))
    monkeypatch.setattr(Operands, fails, fail)
    with pytest.warns(UserWarning, match=UNCHECKED):
        found = npr.rank(model, p_prune=0.5, score="taylor", data=DataLoader(data, 8))
    assert found == wanted
    with npr.prune_weights(model, p_prune=0.5), pytest.warns(UserWarning, match=UNCHECKED):
        evaluate(model, data)


class Fixed(Net):
    """As exported for batches of six."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.view(6, 3, *x.shape[2:]))


def test_a_network_for_whole_batches_is_looked_at_with_a_whole_one():
    data = TensorDataset(torch.randn(12, 3, 8, 8), torch.arange(12) % 7)
    model = Fixed(lambda w: w + 1).eval()
    evaluate(model, data, batch_size=6)
    npr.prune_weights(model, p_prune=0.5)
    with pytest.raises(UnsupportedNetworkError, match=ANOTHER):
        evaluate(model, data, batch_size=6)


def test_a_network_that_only_runs_made_faster_is_told_not_to_be_checked(data):
    class LaidOut(Net):
        def forward(self, x: Tensor) -> Tensor:
            if not x.is_contiguous(memory_format=torch.channels_last):
                raise ValueError("not now")
            return super().forward(x)

    model = LaidOut().eval()
    evaluate(model, data, batch_size=5)
    with npr.prune_weights(model, p_prune=0.5), pytest.warns(UserWarning, match=UNCHECKED):
        evaluate(model, data, batch_size=5)


# --- random layers and state --------------------------------------------------------------

NOISES = [
    lambda y: y + torch.randn_like(y),
    lambda y: F.dropout(y, 0.5, training=True),
    lambda y: y * float(np.random.rand()),
    lambda y: y * random.random(),
]


class Noisy(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.make(self.first(x)).mean((2, 3)))


@pytest.mark.parametrize("noise", NOISES)
def test_networks_with_random_layers_stay_fast_without_a_word(noise, data, silence):
    model = Noisy(noise).eval()
    npr.prune_weights(model, p_prune=0.5)
    evaluate(model, data)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("hooked", [False, True])
def test_a_look_takes_no_draws(noise, hooked, data):
    model = Noisy(noise).eval()
    if hooked:
        model.last.register_forward_hook(lambda *_: None)
    npr.prune_weights(model, p_prune=0.5)

    def seed() -> None:
        for each in (torch.manual_seed, random.seed, np.random.seed):
            each(0)

    seed()
    found = evaluate(model, data, batch_size=6, channels_last=False, fold=False)
    seed()
    with torch.no_grad():
        parts = [F.cross_entropy(model(x), y, reduction="sum") for x, y in DataLoader(data, 6)]
    assert found.loss == pytest.approx(float(sum(parts)) / len(data), rel=1e-6)


class Counting(Net):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        return super().forward(x)


@pytest.mark.parametrize("options", AS_COPY_AND_ITSELF)
def test_hooks_and_counters_see_each_image_once(options, data):
    model, sizes = Counting().eval(), []
    model.last.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    npr.prune_weights(model, p_prune=0.5)
    evaluate(model, data, batch_size=6, **options)
    assert sum(sizes) == model.seen == len(data)
    assert set(sizes[:-1]) == {6}


def test_a_study_watches_a_network_that_cannot_be_copied_as_it_runs(data):
    model, sizes = Counting().eval(), []
    model.last.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    look_at(model, data, [variant_of(p_prune=0.5)], dense=False)
    assert sum(sizes) == len(data)
    bad = net(lambda w: w + 1)
    bad.last.register_forward_hook(lambda *_: None)
    for with_norm in (False, True):
        with pytest.raises(UnsupportedNetworkError, match=ANOTHER):
            look_at(bad, data, [variant_of(p_prune=0.5, with_norm=with_norm)])


def test_weights_used_otherwise_are_only_said_not_to_be_seen(data):
    class Distant(Net):
        def forward(self, x: Tensor) -> Tensor:
            return -torch.cdist(super().forward(x), self.far.weight)

    model = Distant()
    model.far = nn.Linear(7, 7)
    npr.prune_weights(model.eval(), p_prune=0.5, layers=[nn.Linear])
    told = "nothing was seen to take the weights of far on the first"
    with pytest.warns(UserWarning, match=told):
        evaluate(model, data)
