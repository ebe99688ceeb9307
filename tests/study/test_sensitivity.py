"""Each cell is what pruning that layer alone gives, and the network is never written to."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import network_prune as npr
from network_prune.evaluation.evaluate import evaluate
from network_prune.evaluation.metrics import measure_samples
from network_prune.evaluation.paired import compare
from network_prune.study.sensitivity import measure_sensitivity, rank_each_layer
from tests.networks import snapshot

P_PRUNES = [0.3, 0.8]
COUNTS = ("n", "hits1", "hits5", "loss_sum", "loss_square_sum", "non_finite")


class Branches(nn.Module):
    """Two layers, one of them used twice and one in a list with an awkward name."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU())
        self.parts = nn.ModuleDict({"[ab]": nn.Conv2d(6, 6, 1), "a": nn.Conv2d(6, 6, 1)})
        self.head = nn.Linear(6, 7)

    def forward(self, x):
        x = self.stem(x)
        x = self.parts["a"](self.parts["[ab]"](x).relu()).relu()
        return self.head(self.parts["a"](x).mean(dim=(2, 3)))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Branches()


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 7, (23,), generator=generator)
    return TensorDataset(torch.randn(23, 3, 8, 8, generator=generator), labels)


def plainly(model, data):
    """Evaluate the network itself, not a copy with its BatchNorms folded."""
    metrics = evaluate(model, data, batch_size=8, fold=False, channels_last=False)
    return counts(metrics)


def counts(metrics):
    return tuple(getattr(metrics, name) for name in COUNTS)


@pytest.mark.parametrize("p_bern", [1.0, 0.5])
@pytest.mark.parametrize("granularity", ["weight", "connection", "neuron"])
def test_each_cell_is_a_separate_prune_and_evaluate(model, data, granularity, p_bern):
    layers = (nn.Conv2d, nn.Linear)
    sets = rank_each_layer(model, granularity, p_prunes=P_PRUNES, layers=layers)
    found = measure_sensitivity(model, sets, data, p_bern=p_bern, seed=4, index=2, batch_size=8)
    assert counts(found.dense) == plainly(model, data)
    names = ["stem.0", "parts.[ab]", "parts.a", "head"]
    asked = [(name, p_prune) for name in names for p_prune in P_PRUNES]
    assert [(cell.summary.name, cell.p_prune) for cell in found.cells] == asked
    for cell, (name, p_prune) in zip(found.cells, asked, strict=True):
        include = [name.replace("[", "[[]")]
        alone = npr.rank(model, granularity, p_prune=p_prune, layers=layers, include=include)
        with npr.prune(model, alone, p_bern=p_bern, seed=4, index=2) as pruned:
            assert counts(cell.metrics) == plainly(model, data)
            assert cell.draw_sha256 == pruned.draw.sha256
            assert cell.summary == pruned.summary().layers[0]
        assert cell.paired.acc1_difference == pytest.approx(cell.metrics.acc1 - found.dense.acc1)
        assert cell.paired.loss_sum == cell.metrics.loss_sum - found.dense.loss_sum


def test_pairs_are_those_of_the_same_image(model, data):
    sets = rank_each_layer(model, "neuron", p_prunes=[0.5], include=["stem.0"])
    (cell,) = measure_sensitivity(model, sets, data, batch_size=5).cells
    images, labels = data.tensors
    with torch.no_grad():
        model.eval()
        dense = [measure_samples(model(image[None]), y[None]) for image, y in data]
        with npr.prune(model, sets[0]):
            variant = [measure_samples(model(image[None]), y[None]) for image, y in data]
    pairs = [compare(one, other) for one, other in zip(variant, dense, strict=True)]
    assert cell.paired.gained1 == sum(pair.gained1 for pair in pairs)
    assert cell.paired.lost1 == sum(pair.lost1 for pair in pairs)
    assert cell.paired.gained5 == sum(pair.gained5 for pair in pairs)
    assert cell.paired.n == len(images) == len(labels)


def test_each_batch_is_read_once(model, data):
    reads = []

    def batches():
        for batch in DataLoader(data, batch_size=6):
            reads.append(len(batch[1]))
            yield batch

    measure_sensitivity(model, rank_each_layer(model, p_prunes=P_PRUNES), batches())
    assert reads == [6, 6, 6, 5]


def test_scores_of_ones_own_are_taken_layer_by_layer(model, data):
    score = {name: torch.arange(m.weight.numel()).reshape(m.weight.shape).double()
             for name, m in model.named_modules() if isinstance(m, nn.Conv2d)}  # fmt: skip
    for prunable in rank_each_layer(model, p_prunes=[0.5], score=score):
        flags = prunable.prunable(prunable.layers[0].name).flatten().tolist()
        half = len(flags) // 2
        assert flags == [True] * half + [False] * (len(flags) - half)


def test_an_interruption_leaves_the_network_as_it_was(model, data):
    model.train()
    before, calls = snapshot(model), []

    class Interrupting(TensorDataset):
        def __getitem__(self, index):
            calls.append(index)
            if len(calls) == 12:
                raise KeyboardInterrupt
            return super().__getitem__(index)

    with pytest.raises(KeyboardInterrupt):
        measure_sensitivity(
            model, rank_each_layer(model, p_prunes=[0.9]), Interrupting(*data.tensors), batch_size=5
        )
    assert snapshot(model) == before

    def interrupt(*_):
        if model.stem[0]._parameters["weight"] is not weight:
            raise KeyboardInterrupt

    weight = model.stem[0].weight
    handle = model.stem[1].register_forward_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        measure_sensitivity(model, rank_each_layer(model, p_prunes=[0.9]), data)
    handle.remove()
    assert snapshot(model) == before


def test_a_layer_that_breaks_the_outputs_leaves_no_loss(data):
    model = nn.Sequential(nn.Conv2d(3, 7, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), Inverse())
    torch.nn.init.constant_(model[0].weight, 0.1)
    torch.nn.init.constant_(model[0].bias, 0.0)
    (cell,) = measure_sensitivity(model, rank_each_layer(model, p_prunes=[1.0]), data).cells
    assert cell.metrics.non_finite == cell.paired.non_finite == 23
    assert cell.to_dict()["difference"]["loss_difference"] is None


class Inverse(nn.Module):
    def forward(self, x):
        return 1 / x
