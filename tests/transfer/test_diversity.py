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
from network_prune.transfer.diversity import Comparison, measure_diversity
from tests.networks import snapshot

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


@pytest.mark.parametrize("granularity", ["weight", "connection", "neuron"])
@pytest.mark.parametrize("indices", [range(2), range(8, 11)])
def test_figures_are_those_of_the_slow_loop(model, data, granularity, indices):
    prunable = npr.rank(model, granularity, p_prune=0.5)
    found = measure_diversity(
        model, [prunable], data, p_bern=0.5, seed=3, indices=indices, batch_size=4
    )
    (cell,) = found.cells
    prune = slowly(model, prunable, "prune", indices, data)
    dropout = slowly(model, prunable, "dropout", indices, data)
    names = ("acc1", "agreement", "cosine")
    for name, one, other in zip(names, prune, dropout, strict=True):
        check_mean(getattr(cell.comparison.prune, name), one)
        check_mean(getattr(cell.comparison.dropout, name), other)
        pairs = zip(one, other, strict=True)
        differences = [None if None in pair else pair[0] - pair[1] for pair in pairs]
        check_mean(getattr(cell.comparison.difference, name), differences)
    assert cell.comparison.left_out == (prune[2].count(None), dropout[2].count(None))
    assert cell.ratio == 0.5 * len(prunable) / prunable.elements.elements
    assert found.dense.hits1 == evaluate(model, data).hits1


def test_draws_that_are_the_same_agree_wholly(model, data):
    (cell,) = measure_diversity(
        model, [npr.rank(model, p_prune=0.5)], data, p_bern=1.0, indices=range(3)
    ).cells
    assert cell.comparison.prune.agreement.mean == 100.0
    assert cell.comparison.prune.cosine.mean == pytest.approx(1.0, abs=1e-9)
    assert cell.comparison.prune.agreement.half_width == 0.0


def test_shards_add_up_to_the_last_bit(model, data):
    sets = [npr.rank(model, p_prune=p_prune) for p_prune in (0.3, 0.6)]
    whole = measure_diversity(model, sets, data, batch_size=4)
    images, labels = data.tensors
    parts = [
        measure_diversity(model, sets, TensorDataset(images[part], labels[part]), batch_size=4)
        for part in (slice(0, 8), slice(8, None))
    ]
    for place, cell in enumerate(whole.cells):
        summed = sum((part.cells[place].comparison for part in parts), Comparison())
        assert summed == cell.comparison


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
    (cell,) = measure_diversity(
        sick, [npr.rank(sick, p_prune=0.5)], TensorDataset(images, labels), indices=range(2)
    ).cells
    assert cell.comparison.left_out == (3, 3)
    assert cell.comparison.prune.cosine.n == cell.comparison.difference.cosine.n == N - 3
    assert cell.comparison.prune.agreement.n == N
    assert math.isfinite(cell.comparison.prune.cosine.mean)
    assert cell.to_dict()["prune"]["left_out_of_cosine"] == 3


def test_draws_with_non_finite_logits_agree_with_none(data):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images = torch.full_like(data.tensors[0], math.nan)
    (cell,) = measure_diversity(
        model, [npr.rank(model, p_prune=0.5)], TensorDataset(images, data.tensors[1])
    ).cells
    assert cell.comparison.prune.agreement.mean == 0.0
    assert cell.comparison.prune.acc1.mean == 0.0
    assert cell.comparison.left_out == (N, N)


def test_tiny_gradients_keep_their_direction(model, data):
    images, labels = data.tensors
    sets = [npr.rank(model, p_prune=0.5)]
    expected = measure_diversity(model, sets, data).cells[0].comparison.prune.cosine.mean
    small = nn.Sequential(Shrink(), *model)
    sets = [npr.rank(small, p_prune=0.5)]
    found = measure_diversity(small, sets, TensorDataset(images * 2.0**60, labels))
    assert found.cells[0].comparison.prune.cosine.mean == pytest.approx(expected, abs=1e-6)


class Shrink(nn.Module):
    def forward(self, x):
        return x * 2.0**-60


def test_network_and_images_are_left_alone(model, data):
    model.train()
    before, images = snapshot(model), data.tensors[0].clone()
    batches = [(data.tensors[0], data.tensors[1])]
    with torch.no_grad():
        measure_diversity(model, [npr.rank(model, p_prune=0.5)], batches, indices=range(2))
    assert snapshot(model) == before
    assert not data.tensors[0].requires_grad
    assert torch.equal(data.tensors[0], images)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"indices": range(1)}, "draws=1 leaves no pair to compare; pass 2 or more"),
        ({"p_bern": 0.0}, r"p_bern=0 prunes nothing, so no draws differ; pass one in \(0, 1\]"),
        ({"p_bern": 1.5}, r"p_bern=1.5 is outside \[0, 1\]"),
    ],
)
def test_draws_that_cannot_be_compared_are_refused(model, data, options, text):
    with pytest.raises(ArgumentError, match=text):
        measure_diversity(model, [npr.rank(model, p_prune=0.5)], data, **options)


class Rounding(nn.Module):
    def forward(self, x):
        return x.detach()


def test_logits_without_a_gradient_are_refused(data):
    convolution = nn.Conv2d(3, 4, 3)
    model = nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten(), Rounding())
    with pytest.raises(UnsupportedNetworkError, match="logits have no gradient to the images"):
        measure_diversity(model, [npr.rank(model, p_prune=0.5)], data)
