"""Variants that go on from what they share give the bits that they give as a whole."""

import threading

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import networks
from network_prune.evaluation.shared_prefix import prefix
from network_prune.evaluation.shared_prefix.cuts import Cuts, same_bits
from network_prune.evaluation.shared_prefix.steps import Steps
from network_prune.evaluation.switch import Switcher
from network_prune.pruning.faster_copy.prepare import Speed
from network_prune.pruning.forward import eval_mode
from network_prune.sources.data.pictures import Batch
from tests.studies import ITSELF, variant_of
from tests.threads import at_once

SPEEDS = [Speed(), ITSELF]


def batches_of(*sizes, channels=3):
    generator = torch.Generator().manual_seed(1)
    return [
        Batch(torch.randn(n, channels, 8, 8, generator=generator), torch.arange(n) % 3)
        for n in sizes
    ]


BATCHES = batches_of(4, 4, 3)


def alone(model, **values):
    values = {"p_prune": 0.5, "layers": "conv2d,linear", "scope": "alone", **values}
    return variant_of(**values).spelt_out(model)


def compute(model, variants, *, batches=BATCHES, speed=ITSELF, shared=True):
    """The logits of each variant and batch, and whether sharing was given up."""
    found = []
    with Switcher(model, speed) as switcher, eval_mode(model), torch.no_grad():
        for variant in variants:
            switcher.prunable(variant)
        switcher.look_first(batches[0])
        for variant in [None, *variants]:
            run = switcher.computing(variant, batches) if shared else switcher.switch(variant)
            found += [run(batch) for batch in batches]
        return found, switcher._shared._given_up


def assert_same(model, *, variants=None, given_up=False, **how):
    variants = alone(model) if variants is None else variants
    found, is_given_up = compute(model, variants, **how)
    wanted, _ = compute(model, variants, shared=False, **how)
    assert all(map(same_bits, found, wanted))
    assert len(found) == len(wanted)
    assert given_up in (None, is_given_up)


CALLS: list[str] = []


class Counted(nn.Conv2d):
    """A convolution that counts its calls, which leave nothing on it."""

    def __init__(self, name: str) -> None:
        super().__init__(3, 3, 3, padding=1)
        self.called = name

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] == (8, 8):  # not the few numbers that tell what the layer computes
            CALLS.append(self.called)
        return super().forward(x)


def counted(count=5):
    torch.manual_seed(0)
    convolutions = [Counted(str(n)) for n in range(count)]
    return nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def calls(model, variants, **how):
    CALLS.clear()
    compute(model, variants, **how)
    return [CALLS.count(str(number)) for number in range(5)]


# --- what is computed how often -----------------------------------------------------------


def test_what_comes_before_is_computed_once_for_all_that_follow():
    model, batches = counted(), batches_of(4, 4, 4)
    variants = alone(model, layers="conv2d")
    assert calls(model, variants, batches=batches, shared=False) == [6 * 3] * 5
    # The first layer: 3 batches as dense, 3 where it is pruned itself, one batch twice to see that
    # steps give the same bits, and 3 times to keep what comes after it.
    assert calls(model, variants, batches=batches) == [11, 13, 16, 19, 19]


def test_at_a_second_fraction_it_is_computed_once_more():
    model, batches = counted(), batches_of(4, 4, 4)
    once = alone(model, layers="conv2d")
    again = alone(model, layers="conv2d", p_prune=0.7)
    # The variant that prunes the first layer, and what the others share.
    assert calls(model, [*once, *again], batches=batches)[0] == 11 + 3 + 3
    assert_same(model, variants=[*once, *again, *reversed(once)], batches=batches)


class Residual(nn.Module):
    """What crosses to all layers but the first is written into at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.others = Counted("0"), nn.Sequential(*(Counted(n) for n in "1234"))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return x.add_(self.others(x)).mean((2, 3))


def test_values_that_are_written_into_later_are_kept_too():
    torch.manual_seed(0)
    model, batches = Residual().eval(), batches_of(4, 4, 4)
    variants = alone(model, layers="conv2d")
    assert calls(model, variants, batches=batches) == [11, 13, 16, 19, 19]
    assert_same(model, batches=batches)


def test_nothing_is_looked_at_where_the_first_layer_is_pruned(monkeypatch):
    monkeypatch.setattr(prefix, "Steps", None)
    model = counted()
    everything = [variant_of(p_prune=p, layers="conv2d") for p in (0.3, 0.5)]
    assert calls(model, everything) == [9] * 5


def test_what_lies_at_the_very_beginning_isnt_shared():
    torch.manual_seed(0)
    thin, thick = nn.Conv2d(3, 1, 1), [nn.Conv2d(1, 32, 3), nn.Conv2d(32, 32, 3)]
    model = nn.Sequential(thin, *thick, nn.Flatten()).eval()
    cuts = Cuts(Steps(model), 4)
    with torch.no_grad():
        cuts.look(BATCHES[0].images)
    works = [4 * 8 * 8 * (1 + 3), 4 * 32 * 36 * (1 + 9), 4 * 32 * 16 * (1 + 288), 4 * 512]
    assert cuts.work == [0, 768, *(768 + sum(works[: n + 1]) for n in range(4))]
    assert [cuts.share(n) < 0.05 for n in range(1, 5)] == [True, True, False, False]
    assert cuts.bytes(2, 8) == 2 * 4 * 4 * 64


def test_values_that_take_too_much_memory_arent_kept(monkeypatch):
    monkeypatch.setattr(prefix, "KEPT_BYTES", 4 * 11 * 3 * 64 - 1)
    model = counted()
    assert calls(model, alone(model, layers="conv2d")) == [18 + 2] * 5  # two forms of batches
    assert_same(model)


def test_what_shares_is_known_beforehand():
    model = counted()
    with Switcher(model, ITSELF) as switcher:
        assert not switcher.shares([None, *alone(model)[:1]])
        assert switcher.shares([None, *alone(model)])
        assert not switcher.shares([each.at(recalibrate=3) for each in alone(model)])
    with Switcher(model, Speed(amp_dtype="bfloat16")) as switcher:
        assert not switcher.shares(alone(model))
    with Switcher(model, ITSELF) as switcher, torch.inference_mode():
        assert not switcher.shares(alone(model))


# --- the same bits ------------------------------------------------------------------------


class Woven(nn.Module):
    """Convolutions with what networks do between them, in any order."""

    def __init__(self, ways: list[str]) -> None:
        super().__init__()
        self.ways = ways
        self.maps = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(len(ways) + 1))
        self.norms = nn.ModuleList(nn.BatchNorm2d(3) for _ in ways)
        self.narrow = nn.Conv2d(6, 3, 1)
        self.scale = nn.Parameter(torch.rand(3, 1, 1))
        self.head = nn.Linear(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maps[0](x)
        kept = view = x
        for convolution, norm, way in zip(self.maps[1:], self.norms, self.ways, strict=True):
            made = convolution(x)
            if way == "keep":
                kept = x
            elif way == "view":
                view = x.flatten(2)
            elif way == "write kept":
                kept.add_(made)
            elif way == "write view":
                view[:, :1].fill_(0.5)
            elif way == "write detached":
                kept.detach().mul_(0.5)
            else:
                made = self.mixed(way, made, kept, norm, x)
            x = made
        return self.head((x + view.reshape(x.shape)).mean((2, 3)))

    def mixed(self, way: str, made: Tensor, kept: Tensor, norm: nn.Module, x: Tensor) -> Tensor:
        if way == "add":
            return made + kept
        if way == "add to":
            made += kept
            return made
        if way == "relu":
            return F.relu_(norm(made))
        if way == "relu kept":
            return made + F.relu(kept, inplace=True)
        if way == "join":
            return self.narrow(torch.cat([made, kept], 1))
        return F.conv2d(made, self.maps[1].weight * self.scale, padding=1)


WAYS = ("keep", "view", "add", "add to", "write kept", "write view", "write detached", "relu",
        "relu kept", "join", "scale")  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(WAYS), min_size=2, max_size=6), st.sampled_from(SPEEDS))
def test_networks_of_any_weave_give_the_same_bits(ways, speed):
    torch.manual_seed(0)
    model = Woven(ways).eval()
    # torch.fx records += as +, which is seen where the values are read by another name.
    assert_same(model, speed=speed, given_up=None if "add to" in ways else False)


@pytest.mark.parametrize("name", ["grouped", "tied", "shared storage", "attention", "bfloat16"])
def test_awkward_networks_give_the_same_bits(name):
    model = nn.Sequential(networks.build(name), nn.Flatten()).eval()
    batches = [Batch(b.images, b.labels * 0) for b in batches_of(2, 2, 1, channels=4)]
    assert_same(model, variants=alone(model, method="neurons"), batches=batches)


def test_writes_that_the_first_look_missed_are_noticed(monkeypatch):
    monkeypatch.setattr(Cuts, "is_written", lambda self, step: False)
    torch.manual_seed(0)
    assert_same(Woven(["keep", "write kept", "relu kept", "keep", "write kept"]).eval())


class Flat(nn.Module):
    """Only a view of what crosses to the second convolution is written into."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(3, 3, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        y = self.third(self.second(x))
        flat = x.flatten(2)
        half = flat[:, :, :32]
        half.mul_(2.0)
        return y.mean((2, 3)) + flat.mean(2)


def test_memory_counts_as_written_where_a_view_of_it_is():
    torch.manual_seed(0)
    model = Flat().eval()
    cuts = Cuts(Steps(model), 4)
    with torch.no_grad():
        cuts.look(BATCHES[0].images)
    names = [str(node.target) for node in cuts.steps.nodes]
    written = [cuts.is_written(n) for n in range(len(names))]
    assert names[1:4] == ["first", "second", "third"]
    assert written == [n in range(2, names.index("mul_") + 1) for n in range(len(names))]
    assert_same(model)


def test_tied_layers_are_cut_before_the_first():
    model = nn.Sequential(*counted(), nn.Linear(3, 5)).eval()
    model[3].weight = model[1].weight
    variant = alone(model, include=["1"])[0]
    steps = Steps(model)
    assert steps.first_to_read([model[3].weight]) == 2
    assert steps.first_to_read([model[2].weight, model[0].bias]) == 1
    assert steps.first_to_read([torch.ones(2)]) == 0
    assert_same(model, variants=[variant, *alone(model)])


# --- networks that can't be cut -----------------------------------------------------------


class Chain(nn.Module):
    """Two convolutions, with something between."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.between(self.first(self.before(x)))).mean((2, 3))

    def before(self, x: Tensor) -> Tensor:
        return x

    def between(self, x: Tensor) -> Tensor:
        return x


class Deciding(Chain):
    def between(self, x):
        return x + 1 if x.sum() > 0 else x


class Telling(Chain):
    def between(self, x):
        return x + 1 if type(x) is Tensor else x


class Remembering(Chain):
    count = 0

    def between(self, x):
        self.count += 1
        return x


class Random(Chain):
    def between(self, x):
        return x + torch.rand_like(x)


class Unseen(Chain):
    def between(self, x):
        x.data.mul_(2)
        return x


class WritingImages(Chain):
    def before(self, x):
        return x.mul_(0.5)


class Holding(Chain):
    def between(self, x):
        return x * torch.tensor(2.0)


def chain(kind):
    torch.manual_seed(0)
    return kind().eval()


def test_weights_of_the_inference_mode_are_computed_as_a_whole():
    with torch.inference_mode():
        model = chain(Chain)
    assert_same(model, given_up=True)


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("kind", [Deciding, Telling, Remembering, Unseen])
def test_a_network_that_cant_be_cut_is_computed_as_a_whole(kind, speed):
    assert_same(chain(kind), given_up=True, speed=speed)


def test_a_chain_is_cut_where_nothing_hinders_it():
    assert_same(chain(Chain))
    assert_same(chain(Holding), given_up=True)


def test_images_that_a_network_writes_into_are_written_as_often_as_before():
    found, given_up = compute(chain(WritingImages), alone(chain(Chain)), batches=batches_of(4, 3))
    wanted, _ = compute(
        chain(WritingImages), alone(chain(Chain)), batches=batches_of(4, 3), shared=False
    )
    assert given_up
    assert all(map(same_bits, found[:2], wanted[:2]))


def test_random_numbers_are_those_of_a_network_computed_as_a_whole():
    model, found = chain(Random), []
    for shared in (True, False):
        torch.manual_seed(4)
        found.append(compute(model, alone(model), shared=shared)[0])
    assert all(map(same_bits, *found))


def test_a_network_with_hooks_is_computed_as_a_whole_which_is_told_once(caplog):
    model, seen = chain(Chain), []
    model.first.register_forward_hook(lambda *_: seen.append(1))
    with caplog.at_level("INFO", logger="network_prune"):
        compute(model, alone(model))
    assert len(seen) == 3 * 3
    (told,) = (record.getMessage() for record in caplog.records)
    assert told.endswith("as the network isn't cut: RuntimeError: it carries hooks")


def test_what_fails_from_a_cut_on_is_computed_as_a_whole(monkeypatch):
    finish, model = Steps.finish, counted()

    def failing(self, values, start):
        if start == 4:
            raise MemoryError
        return finish(self, values, start)

    monkeypatch.setattr(Steps, "finish", failing)
    assert_same(model, given_up=True)


# --- what is left behind ------------------------------------------------------------------


@pytest.mark.parametrize("call", [20, 30, 41, 60])
def test_an_interruption_leaves_the_network_as_it_was(call, monkeypatch):
    model = counted()
    variants, before = alone(model), networks.snapshot(model)
    forward = nn.Conv2d.forward
    done = []

    def interrupting(self, x):
        done.append(1)
        if len(done) == call:
            raise KeyboardInterrupt
        return forward(self, x)

    monkeypatch.setattr(nn.Conv2d, "forward", interrupting)
    with pytest.raises(KeyboardInterrupt):
        compute(model, variants)
    assert networks.snapshot(model) == before


def test_the_network_is_untouched():
    torch.manual_seed(0)
    model = Woven(list(WAYS)).train()
    before = networks.snapshot(model)
    compute(model, alone(model))
    assert networks.snapshot(model) == before


def test_plain_pytorch_beside_gets_right_outputs():
    torch.manual_seed(0)
    model, other, x = Woven(list(WAYS)).eval(), networks.build("plain").eval(), networks.inputs()
    wanted, ended, outputs = networks.bits(other(x)), threading.Event(), []

    def plainly():
        while not ended.is_set():
            outputs.append(networks.bits(other(x)))
        return len(outputs)

    def ours():
        try:
            return compute(model, alone(model))
        finally:
            ended.set()

    (found, given_up), count = at_once(ours, plainly)
    assert all(map(same_bits, found, compute(model, alone(model), shared=False)[0]))
    assert not given_up
    assert count > 0
    assert set(outputs) == {wanted}
