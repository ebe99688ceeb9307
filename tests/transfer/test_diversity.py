"""Diversity is what a slow loop over draws, pairs and images finds with weights zeroed by hand."""

import copy
import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

import network_prune as npr
from network_prune.errors import ArgumentError, UnsupportedNetworkError
from network_prune.evaluation.evaluate import evaluate
from network_prune.pruning.faster_copy.prepare import Speed
from network_prune.results.parts.diverse_sums import Comparison
from network_prune.study.events import Advanced
from network_prune.study.measure import Measure
from network_prune.study.running.state_file import StateFile
from network_prune.transfer.diversity import DrawsCompared
from tests.networks import snapshot
from tests.studies import ITSELF, look_at, variant_of

N = 11


@pytest.fixture
def model():
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Tanh(), nn.Conv2d(6, 6, 1), nn.Tanh())
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 4))


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 4, (N,), generator=generator)
    return TensorDataset(torch.randn(N, 3, 6, 6, generator=generator), labels)


def compared(model, data, *variants, draws=5, **options):
    """The comparison of each variant's draws; by default of half of the single weights."""
    variants = variants or (variant_of(p_prune=0.5, p_bern=0.5),)
    found = look_at(model, data, variants, measure=DrawsCompared(draws), **options)
    return [found[variant].comparison for variant in variants]


def zeroed(model, draw):
    """A copy of the network with a draw's weights set to zero."""
    twin = copy.deepcopy(model).eval()
    for layer in draw.layers:
        with torch.no_grad():
            twin.get_submodule(layer.name).weight[~draw.mask(layer.name)] = 0.0
    return twin


def draws_of(model, prunable, mode, indices):
    surrogate = npr.Diversified(model, prunable, p_bern=0.5, seed=3, mode=mode)
    for index in indices:
        with surrogate.frozen(index), torch.no_grad():
            surrogate.eval()(torch.zeros(1, 3, 6, 6))
        yield surrogate.draw


def slowly(model, prunable, mode, indices, data):
    """Accuracy, agreement and cosine of each image, by loops over draws and pairs of draws."""
    networks = [zeroed(model, draw) for draw in draws_of(model, prunable, mode, indices)]
    rows = []
    for image, label in data:
        classes, gradients = [], []
        for network in networks:
            x = image[None].clone().requires_grad_()
            logits = network(x)
            classes.append(int(logits.argmax()))
            loss = F.cross_entropy(logits, label[None])
            gradients.append(torch.autograd.grad(loss, x)[0].flatten().double().tolist())
        pairs = list(itertools.combinations(range(len(networks)), 2))
        rows.append(
            (
                100 * sum(c == int(label) for c in classes) / len(classes),
                100 * sum(classes[a] == classes[b] for a, b in pairs) / len(pairs),
                mean_cosine(gradients, pairs),
            )
        )
    return [list(column) for column in zip(*rows, strict=True)]


def mean_cosine(gradients, pairs):
    if not all(any(gradient) for gradient in gradients):
        return None
    return sum(cosine(gradients[a], gradients[b]) for a, b in pairs) / len(pairs)


def cosine(one, other):
    dot = math.fsum(a * b for a, b in zip(one, other, strict=True))
    return dot / math.sqrt(math.fsum(a * a for a in one) * math.fsum(b * b for b in other))


def check_mean(found, values):
    values = [value for value in values if value is not None]
    centre = math.fsum(values) / len(values)
    spread = math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)
    half = 1.959963984540054 * math.sqrt(spread / len(values))
    assert found.n == len(values)
    assert found.mean == pytest.approx(centre, abs=1e-5)
    assert found.interval == pytest.approx((centre - half, centre + half), abs=1e-5)


@pytest.mark.parametrize("method", ["weights", "connections", "neurons"])
@pytest.mark.parametrize("indices", [range(2), range(8, 11)])
def test_figures_are_those_of_the_slow_loop(model, data, method, indices):
    variant = variant_of(method=method, p_prune=0.5, p_bern=0.5, seed=3, index=indices[0])
    prunable = variant.rank(model)
    (found,) = compared(model, data, variant, draws=len(indices), batch_size=4)
    prune = slowly(model, prunable, "prune", indices, data)
    dropout = slowly(model, prunable, "dropout", indices, data)
    names = ("acc1", "agreement", "cosine")
    for name, one, other in zip(names, prune, dropout, strict=True):
        check_mean(getattr(found.prune, name), one)
        check_mean(getattr(found.dropout, name), other)
        pairs = zip(one, other, strict=True)
        differences = [None if None in pair else pair[0] - pair[1] for pair in pairs]
        check_mean(getattr(found.difference, name), differences)
    assert found.left_out == (prune[2].count(None), dropout[2].count(None))


def test_the_record_has_the_first_draws_figures_and_the_dense_networks(model, data):
    variant = variant_of(p_prune=0.5, p_bern=0.5, seed=3, index=2)
    found = look_at(model, data, [variant], measure=DrawsCompared(3))
    plain = {"fold": False, "channels_last": False}
    dense = evaluate(model, data, **plain)
    assert found[None].metrics.loss_sum == dense.loss_sum
    with npr.prune(model, variant.rank(model), p_bern=0.5, seed=3, index=2):
        first = evaluate(model, data, **plain)
    assert found[variant].metrics.hits1 == first.hits1
    assert found[variant].metrics.loss == pytest.approx(first.loss, rel=1e-6)
    change = found[variant].metrics.loss_sum - dense.loss_sum
    assert found[variant].paired.loss_sum == change


@pytest.mark.parametrize("speed", [Speed(), Speed(dtype="bfloat16")])
def test_a_faster_copy_gives_nearly_the_same(model, data, speed):
    (itself,), (copied,) = compared(model, data), compared(model, data, speed=speed)
    tolerance = 0.05 if speed.dtype else 1e-5
    assert copied.prune.cosine.mean == pytest.approx(itself.prune.cosine.mean, abs=tolerance)


def test_draws_that_are_the_same_agree_wholly(model, data):
    (found,) = compared(model, data, variant_of(p_prune=0.5), draws=3)
    assert found.prune.agreement.mean == 100.0
    assert found.prune.cosine.mean == pytest.approx(1.0, abs=1e-9)
    assert found.prune.agreement.half_width == 0.0


def test_shards_add_up_to_the_last_bit(model, data):
    variants = [variant_of(p_prune=p_prune, p_bern=0.5) for p_prune in (0.3, 0.6)]
    whole = compared(model, data, *variants, batch_size=4)
    images, labels = data.tensors
    parts = [
        compared(model, TensorDataset(images[part], labels[part]), *variants, batch_size=4)
        for part in (slice(0, 8), slice(8, None))
    ]
    for place, comparison in enumerate(whole):
        assert sum((part[place] for part in parts), Comparison()) == comparison


class Dead(nn.Module):
    """Images with a zero in the corner get no gradient, those with a one a NaN."""

    def forward(self, x):
        corner = x[:, :1, :1, :1]
        x = x * torch.where(corner == 1, math.nan, 1.0)
        return torch.where(corner == 0, torch.ones_like(x), x)


def test_images_without_a_gradient_are_left_out_of_the_cosine_and_counted(model, data):
    images, labels = data.tensors
    images[2, 0, 0, 0] = images[5, 0, 0, 0] = 0.0
    images[7, 0, 0, 0] = 1.0
    sick = nn.Sequential(Dead(), *model)
    (found,) = compared(sick, TensorDataset(images, labels), draws=2)
    assert found.left_out == (3, 3)
    assert found.prune.cosine.n == found.difference.cosine.n == N - 3
    assert found.prune.agreement.n == N
    assert math.isfinite(found.prune.cosine.mean)
    assert found.to_dict()["prune"]["left_out_of_cosine"] == 3


def test_draws_with_non_finite_logits_agree_with_none(data):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images = torch.full_like(data.tensors[0], math.nan)
    (found,) = compared(model, TensorDataset(images, data.tensors[1]))
    assert found.prune.agreement.mean == 0.0
    assert found.prune.acc1.mean == 0.0
    assert found.left_out == (N, N)


def test_tiny_gradients_keep_their_direction(model, data):
    images, labels = data.tensors
    (expected,) = compared(model, data)
    small = nn.Sequential(Shrink(), *model)
    (found,) = compared(small, TensorDataset(images * 2.0**60, labels))
    assert found.prune.cosine.mean == pytest.approx(expected.prune.cosine.mean, abs=1e-6)


class Shrink(nn.Module):
    def forward(self, x):
        return x * 2.0**-60


@pytest.mark.parametrize("speed", [ITSELF, Speed()])
def test_network_and_images_are_left_alone(model, data, speed):
    model.train()
    before, images = snapshot(model), data.tensors[0].clone()
    batches = [(data.tensors[0], data.tensors[1])]
    compared(model, batches, draws=2, speed=speed)
    assert snapshot(model) == before
    assert not data.tensors[0].requires_grad
    assert torch.equal(data.tensors[0], images)


def test_an_interruption_leaves_the_network_as_it_was(model, data):
    model.train()
    before, calls = snapshot(model), []

    def interrupt(*_):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    handle = model[2].register_forward_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        compared(model, data)
    handle.remove()
    assert snapshot(model) == before


FEW = {"method": "weights", "p_prune": 0.3, "p_bern": 0.5, "limit": 48, "batch_size": 16}


def interrupt_after(images):
    def told(event):
        if isinstance(event, Advanced) and event.variant and event.metrics.n == images:
            raise KeyboardInterrupt

    return told


def test_what_is_compared_is_kept_in_a_folder_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(StateFile, "is_old", True)
    with pytest.raises(KeyboardInterrupt):
        npr.sweep(FEW, out=tmp_path, measure=DrawsCompared(2), told=interrupt_after(32))
    found = npr.sweep(FEW, out=tmp_path, measure=DrawsCompared(2))
    assert [*found] == [*npr.sweep(FEW, measure=DrawsCompared(2))]
    assert [*npr.load_study(tmp_path)] == [*found]


def test_more_draws_are_other_records_than_fewer_or_none(tmp_path):
    measures = (DrawsCompared(2), DrawsCompared(3), None)
    found = [npr.sweep(FEW, out=tmp_path, measure=measure)[1] for measure in measures]
    assert [(each.get("diversity") or {}).get("draws") for each in found] == [2, 3, None]
    assert len(npr.load_study(tmp_path)) == 6


class Nameless(Measure):
    """Finds something that no record says."""


def test_a_measure_that_records_are_not_told_apart_by_is_not_kept(tmp_path):
    with pytest.raises(ArgumentError, match=r"out='.*' can't tell what Nameless finds from loss"):
        npr.sweep({}, out=tmp_path / "study", measure=Nameless())
    assert not (tmp_path / "study").exists()
    with pytest.raises(ArgumentError, match=r"measure=3 is no measure; pass e\.g\."):
        npr.sweep({}, measure=3)


def test_a_single_draw_is_refused():
    with pytest.raises(ArgumentError, match="draws='3' is no whole number"):
        DrawsCompared("3")
    with pytest.raises(ArgumentError, match="draws=1 leaves no pair to compare; pass 2 or more"):
        DrawsCompared(1)


class Rounding(nn.Module):
    def forward(self, x):
        return x.detach()


def test_logits_without_a_gradient_are_refused(data):
    convolution = nn.Conv2d(3, 4, 3)
    model = nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten(), Rounding())
    with pytest.raises(UnsupportedNetworkError, match="logits have no gradient to the images"):
        compared(model, data)
