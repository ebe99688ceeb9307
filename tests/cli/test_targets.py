"""``network-prune sensitivity --targets``: fractions by layer from what each layer alone costs."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from network_prune.errors import ArgumentError
from network_prune.results.series.alone import LayerTable
from network_prune.results.series.targets import targets_of

P = (0.2, 0.5, 0.8)
SMALL = ("--limit", 8, "--batch-size", 8, "--workers", 0, "--method", "weights")


def table(losses, weights):
    cells = {
        (name, p): {"difference": {"loss_difference": loss}, "realised": {"weights": n}}
        for (name, own), n in zip(losses.items(), weights, strict=True)
        for p, loss in zip(P, own, strict=True)
    }
    return LayerTable("made", None, cells)


def test_every_layer_is_pruned_to_the_same_loss():
    found = targets_of(table({"a": (0.2, 0.5, 0.8), "b": (0.4, 1.0, 1.6)}, (100, 100)), 0.3)
    assert [found[name].fraction for name in "ab"] == pytest.approx([0.4, 0.2])
    assert [found[name].loss for name in "ab"] == pytest.approx([0.4, 0.4])


def test_layers_that_cost_nothing_go_the_same_part_of_their_way():
    found = targets_of(table({"a": (0.0, 0.0, 1.0), "b": (-1.0, -0.5, 0.0)}, (100, 300)), 0.5)
    part = 0.5 / ((0.5 * 100 + 0.8 * 300) / 400)
    assert [found[name].fraction for name in "ab"] == pytest.approx([0.5 * part, 0.8 * part])


@given(
    losses=st.lists(st.tuples(*[st.sampled_from([-1.0, 0.0, 0.5, 0.7, 2.0])] * 3), min_size=1),
    data=st.data(),
    target=st.floats(0, 0.8),
)
def test_the_mean_is_the_target(losses, data, target):
    weights = [data.draw(st.integers(1, 1000)) for _ in losses]
    found = targets_of(table({str(i): own for i, own in enumerate(losses)}, weights), target)
    assert all(0 <= each.fraction <= 0.8 for each in found.values())
    mean = sum(each.fraction * each.weights for each in found.values()) / sum(weights)
    assert mean == pytest.approx(target, abs=1e-9)


def test_what_was_not_measured_is_out_of_reach():
    losses = {"a": (0.1, 0.2, None), "b": (0.1, 0.2, 0.3)}
    with pytest.raises(ArgumentError, match=r"targets=0\.7 is out of reach: .* it is 0\.65 of the"):
        targets_of(table(losses, (100, 100)), 0.7)


def test_the_file_is_taken_by_inspect_and_its_ratio_is_the_target(run, refused, tmp_path):
    path = tmp_path / "t.yaml"
    p = ("--p-prune", 0.3, "--p-prune", 0.9)
    outcome = run("sensitivity", *SMALL, *p, "--targets", 0.5, "--targets-out", path)
    assert f"is in {path}; --p-prune-file takes it" in outcome.out
    assert len(yaml.safe_load(path.read_text())) == 14
    record = json.loads(run("inspect", "--method", "weights", "--p-prune-file", path, "--json").out)
    realised = record["realised"]
    assert 0 <= 0.5 * realised["elements"] - realised["pruned"] <= 14
    line = refused("sensitivity", "--targets", 0.3, "--method", "weights", "--method", "neurons")
    assert "--targets goes with one network pruned in one way, not with 1 networks and 2" in line
    both = ("--p-prune", 0.1, "--p-prune-file", path)
    assert "--p-prune and --p-prune-file exclude each other here" in refused("inspect", *both)
