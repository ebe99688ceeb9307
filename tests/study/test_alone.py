"""Scope ``alone``: each layer is pruned and compared with the dense network by itself."""

import json

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import network_prune as npr
from network_prune.evaluation.evaluate import evaluate
from network_prune.evaluation.metrics import measure_samples
from network_prune.evaluation.paired import compare
from network_prune.study.plan import make_plan
from network_prune.study.sweep import sweep
from tests.studies import look_at, variant_of

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


def counts(metrics):
    return tuple(getattr(metrics, name) for name in COUNTS)


def alone(model, p_prunes, **values):
    return [
        variant
        for p_prune in p_prunes
        for variant in variant_of(scope="alone", p_prune=p_prune, **values).spelt_out(model)
    ]


@pytest.mark.parametrize("p_bern", [1.0, 0.5])
@pytest.mark.parametrize("method", ["weights", "connections", "neurons"])
def test_each_layer_is_a_separate_prune_and_evaluate(model, data, method, p_bern):
    plain = {"batch_size": 8, "fold": False, "channels_last": False}
    drawn = {"p_bern": p_bern, "seed": 4, "index": 2}
    variants = alone(model, (0.3, 0.8), method=method, layers="conv2d,linear", **drawn)
    found = look_at(model, data, variants, batch_size=8)
    dense = found.pop(None)
    assert counts(dense.metrics) == counts(evaluate(model, data, **plain))
    names = ["stem.0", "parts.[ab]", "parts.a", "head"]
    expected = [(name, p_prune) for p_prune in (0.3, 0.8) for name in names]
    for (variant, sums), (name, p_prune) in zip(found.items(), expected, strict=True):
        layer = npr.rank(
            model,
            method.rstrip("s"),
            p_prune=p_prune,
            layers=(nn.Conv2d, nn.Linear),
            include=[name.replace("[", "[[]")],
        )
        assert [each.name for each in layer.layers] == [name]
        assert variant.rank(model).sha256 == layer.sha256
        with npr.prune(model, layer, **drawn):
            assert counts(sums.metrics) == counts(evaluate(model, data, **plain))
        change = sums.metrics.acc1 - dense.metrics.acc1
        assert sums.paired.acc1_difference == pytest.approx(change)
        assert sums.paired.loss_sum == sums.metrics.loss_sum - dense.metrics.loss_sum


def test_include_and_exclude_choose_among_the_layers(model):
    variants = alone(model, (0.5,), include=("parts.*",), exclude=("parts.a",))
    assert [(v.scope, v.include, v.exclude) for v in variants] == [("layer", ("parts.[[]ab]",), ())]


def test_pairs_are_those_of_the_same_image(model, data):
    (variant,) = alone(model, (0.5,), method="neurons", include=("stem.0",))
    paired = look_at(model, data, [variant], batch_size=5)[variant].paired
    images, labels = data.tensors
    with torch.no_grad():
        model.eval()
        dense = [measure_samples(model(image[None]), y[None]) for image, y in data]
        with npr.prune(model, variant.rank(model)):
            pruned = [measure_samples(model(image[None]), y[None]) for image, y in data]
    pairs = [compare(one, other) for one, other in zip(pruned, dense, strict=True)]
    for name in ("gained1", "lost1", "gained5"):
        assert getattr(paired, name) == sum(getattr(pair, name) for pair in pairs)
    assert paired.n == len(images) == len(labels)


class Inverse(nn.Module):
    def forward(self, x):
        return 1 / x


def test_a_layer_that_breaks_the_outputs_leaves_no_loss(data):
    model = nn.Sequential(nn.Conv2d(3, 7, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), Inverse())
    torch.nn.init.constant_(model[0].weight, 0.1)
    torch.nn.init.constant_(model[0].bias, 0.0)
    (variant,) = alone(model, (1.0,))
    found = look_at(model, data, [variant])[variant]
    assert found.metrics.non_finite == found.paired.non_finite == 23
    assert found.paired.to_dict()["loss_difference"] is None


def test_a_plan_names_it_once_and_the_records_name_the_layers(tmp_path):
    plan = {"scope": "alone", "method": "neurons", "p_prune": 0.5, "limit": 20}
    plan |= {"include": "layer1.*"}
    assert len(next(iter(make_plan(plan).variants.values()))) == 1
    records = sweep(plan, out=tmp_path)
    included = [record["variant"]["include"] for record in records[1:]]
    assert included == [["layer1.0.conv1"], ["layer1.0.conv2"]]
    spelt = [{**plan, "scope": "layer", "include": layers} for layers in included]
    for layer, record in zip(spelt, records[1:], strict=True):
        # A folder that layers were added to one by one goes on, and the other way round.
        assert sweep(layer, out=tmp_path)[1] == record
    assert len((tmp_path / "records.jsonl").read_text().splitlines()) == 3


def test_sensitivity_gives_the_records_of_that_sweep(run, tmp_path):
    options = ("--limit", 30, "--method", "weights", "--include", "conv1.*")
    options += ("--p-prune", 0.3, "--p-prune", 0.9)
    found = json.loads(run("sensitivity", *options, "--json").out)
    assert found == json.loads(
        run("sweep", "--scope", "alone", *options, "--out", tmp_path, "--json").out
    )
    assert len(found) == 1 + 2 * 3
