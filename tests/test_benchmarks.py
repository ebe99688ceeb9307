"""The benchmarks run, and the memory that they measure keeps its bounds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import network_prune as npr
from benchmarks import (
    evaluation,
    growth,
    memory,
    peers,
    plain,
    removal,
    scaling,
    sensitivity,
    sweeps,
    tables,
    timing,
)
from network_prune.sources.preprocessing import Preprocessing


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
def test_memory_of_draws_on_resnet18_in_bytes_a_weight():
    rows = memory.measure("resnet18")
    found = {(row["granularity"], row["measure"]): row["value"] for row in rows}
    one_set_of_weights = 4.0
    for granularity, most in (("weight", 1.5), ("connection", 1.0), ("neuron", 0.4)):
        assert 0 < found[granularity, "held by a Redrawer"] <= most
        assert found[granularity, "peak of rank + draw"] <= 2.0
        surrogate = found[granularity, "peak of Diversified, forward + input gradient"]
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


def test_removal_is_measured_beside_the_masked_network(monkeypatch):
    monkeypatch.setattr(removal, "SIDE", 64)
    monkeypatch.setattr(evaluation, "SIDE", 64)
    row = removal.measure("resnet18", False, rounds=1, batch=1)
    assert row["parameters"] < 0.4 * row["parameters before"]
    assert row["multiply-adds"] < 0.4 * row["multiply-adds before"]
    assert row["ms, removed"] > 0
    assert "| resnet18 | 1 | False | 11.69 → " in removal.table([row])


def test_torchs_own_pruning_is_the_peer_for_single_weights():
    layer = nn.Conv2d(6, 8, 3)
    lowest = npr.rank(nn.Sequential(layer), p_prune=0.25).prunable("0")
    peers.torch_prune([layer], 0.25)
    assert bool(((layer.weight == 0) == lowest).all())


def test_every_way_to_evaluate_hits_the_same(monkeypatch):
    monkeypatch.setattr(evaluation, "SIDE", 64)
    rows = evaluation.measure("resnet18", rounds=1, images=8)
    ways = [evaluation.PLAIN, evaluation.BARE, *evaluation.SETTINGS]
    assert [row["way"] for row in rows] == ways
    assert [row["hits"] for row in rows[:4]] == [4, 4, 4, 4]
    assert rows[0]["times the plain loop"] == 1.0
    assert len(evaluation.table(rows).splitlines()) == 2 + len(ways)


def test_the_plain_script_computes_what_we_load_and_mask(tmp_path):
    sweeps.make_photographs(tmp_path, 3)
    sweeps.write_manifest(tmp_path / "images.csv", [2, 0, 1])
    model = nn.Sequential(
        nn.Conv2d(3, 4, 32, 32), nn.ReLU(), nn.Flatten(), nn.Linear(196, 9)
    ).eval()
    data = npr.load_data(str(tmp_path / "images.csv"), transform=Preprocessing().transform())
    prunable = npr.rank(model, "connection", p_prune=0.5)
    draw = prunable.draw(p_bern=0.5, seed=0)
    original = model[0].weight.detach().clone()
    plain.mask(model, {"0": draw.mask("0").float()})
    logits, labels = plain.evaluate(model, tmp_path / "images.csv", 2)
    plain.unmask(model, {"0": original})
    assert labels.tolist() == [2, 0, 1]
    with npr.prune(model, prunable, p_bern=0.5), torch.no_grad():
        expected = torch.cat([model(images) for images, _ in data.batches(2)])
    assert torch.equal(logits, expected)


def test_a_sweeps_table_has_a_line_for_every_measure():
    way = {"way": "a", "peer": "b", "seconds": 2.0, "times as fast": 1.5, "same hits": "1 of 1"}
    result = {"ways": [way], "processes": [way], "shares": {"c": 1.0}, "memory": {"d": 1.0}}
    lines = sweeps.table(result).splitlines()
    assert lines[2] == lines[3] == "| a | 2.0 | 1.50 | b | 1 of 1 | – |"
    assert lines[-2:] == ["| c | 1.000 |", "| d | 1.000 |"]


def test_sensitivity_is_measured_both_ways_with_the_same_records(tmp_path):
    sweeps.make_photographs(tmp_path, 3)
    sweeps.write_manifest(tmp_path / "images.csv", [2, 0, 1])
    few = {"resize": 64, "crop": 64, "include": ["features.[3-4].*"]}
    row = sensitivity.measure("squeezenet1_1", tmp_path, rounds=1, **few)
    assert row["same records"] == "7 of 7"
    assert row["times as fast"] == pytest.approx(row["whole"] / row["shared"])
    line = f"{row['shared']:.1f} | {row['whole']:.1f} | {row['times as fast']:.2f} | 7 of 7 |"
    assert sensitivity.table([row]).splitlines()[2] == f"| squeezenet1_1 | {line}"


def test_figures_are_put_between_their_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- one -->\nold\n<!-- end of one -->\nb\n")
    tables.include("new", page, mark="one")
    assert page.read_text() == "a\n<!-- one -->\nnew\n<!-- end of one -->\nb\n"


def test_figures_of_a_gpu_have_a_file_and_marks_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "DOCS", tmp_path)
    monkeypatch.setattr(tables, "machine", lambda device: f"a {device}")
    page = tmp_path / "page.md"
    page.write_text("".join(f"<!-- {m} -->\n<!-- end of {m} -->\n" for m in ("a", "a, cuda")))
    row = {"network": "n", "granularity": "weight", "measure": "m", "unit": "×", "value": 2.0}
    for device in ("cpu", "cuda:1"):
        kept = {"name": "speed", "page": page, "rounds": 1, "device": device, "mark": "a"}
        tables.publish([row], ["n"], **kept)
    of_cpu, of_gpu = page.read_text().split("<!-- end of a -->")
    assert "Measured on a cpu." in of_cpu
    assert "Measured on a cuda:1." in of_gpu
    assert json.loads((tmp_path / "speed-cuda.json").read_text())["rows"] == [row]


def test_costs_are_found_again_from_what_they_make():
    costs = scaling.Costs(start=5.0, decoding=0.01, computing=0.05, ray=7.0)
    shapes = [(1, 128, 3, False), (2, 128, 3, False), (2, 128, 3, True), (1, 32, 3, False)]
    runs = [scaling.Run(*shape, seconds=0.0) for shape in shapes]
    found = scaling.fit([replace(run, seconds=costs.of(run)) for run in runs], costs.decoding)
    for name in ("start", "decoding", "computing", "ray"):
        assert getattr(found, name) == pytest.approx(getattr(costs, name))


def test_a_schedule_names_what_takes_the_time():
    size = {"networks": 4, "variants": 9, "images": 2560, "devices": 2, "workers": 1}
    computing = scaling.simulate(scaling.Costs(1.0, 0.001, 0.01, 0.0), **size)
    assert computing.seconds == pytest.approx(2 * (1.0 + 2560 * 10 * 0.01))
    assert computing.shares["decoding"] == 0
    decoding = scaling.simulate(scaling.Costs(1.0, 0.1, 0.001, 0.0), **size)
    assert decoding.seconds == pytest.approx(2 * (1.0 + 2560 * 0.1))
    assert decoding.shares["decoding"] > 0.9
