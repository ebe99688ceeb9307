"""The benchmarks run, and the memory that they measure keeps its bounds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

import network_prune as npr
from benchmarks import evaluation, growth, peers, tables, timing

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    ("granularity", "held", "peak"),
    [("weight", 1.5, 2.0), ("connection", 1.0, 2.0), ("neuron", 0.4, 2.0)],
)
def test_memory_of_draws_on_resnet18_in_bytes_a_weight(granularity, held, peak):
    command = [sys.executable, "-m", "benchmarks.memory", "resnet18", granularity]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(outcome.stdout.splitlines()[-1])
    assert 0 < found["held by a Redrawer"] <= held
    assert found["peak of rank + draw"] <= peak
    one_set_of_weights = 4.0
    surrogate = found["peak of Diversified, forward + input gradient"]
    assert one_set_of_weights / 2 < surrogate <= 1.5 * one_set_of_weights


def test_ratios_are_medians_over_rounds():
    times = [{"a": 2.0, "b": 1.0}, {"a": 9.0, "b": 3.0}, {"a": 40.0, "b": 10.0}]
    assert timing.ratio(times, "a", "b") == 3.0
    points = [{"weights": 10.0, "rank": 1.0}, {"weights": 1000.0, "rank": 10.0}]
    assert growth.slope(points, "rank") == pytest.approx(0.5)


@pytest.mark.parametrize("granularity", ["connection", "neuron"])
def test_the_peers_prune_what_we_do_at_p_bern_1(granularity):
    layer = nn.Conv2d(6, 8, 3)
    model = nn.Sequential(layer)
    prunable = npr.rank(model, granularity, p_prune=0.3)
    original = layer.weight.detach().clone()
    saved = peers.seed_prune([layer], granularity, p_prune=0.3, p_bern=1.0)
    zero = layer.weight == 0
    expected = prunable.layers[0].expand(prunable.prunable("0"), prunable.granularity)
    assert bool((zero == expected).all())
    peers.seed_restore([layer], saved)
    assert bool((layer.weight == original).all())


def test_torchs_own_pruning_is_the_peer_for_single_weights():
    layer = nn.Conv2d(6, 8, 3)
    lowest = npr.rank(nn.Sequential(layer), p_prune=0.25).prunable("0")
    peers.torch_prune([layer], 0.25)
    assert bool(((layer.weight == 0) == lowest).all())


def test_every_way_to_evaluate_hits_the_same(monkeypatch):
    monkeypatch.setattr(evaluation, "SIDE", 64)
    rows = evaluation.measure("resnet18", rounds=1, images=8)
    ways = [evaluation.PLAIN, *evaluation.SETTINGS]
    assert [row["way"] for row in rows] == ways
    assert [row["hits"] for row in rows[:3]] == [4, 4, 4]
    assert rows[0]["times the plain loop"] == 1.0
    assert len(evaluation.table(rows).splitlines()) == 2 + len(ways)


def test_figures_are_put_between_their_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- one -->\nold\n<!-- end of one -->\nb\n")
    tables.include("new", page, mark="one")
    assert page.read_text() == "a\n<!-- one -->\nnew\n<!-- end of one -->\nb\n"
