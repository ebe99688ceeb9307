"""``bench``: networks side by side, each figure against one found another way."""

import copy
import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import network_prune as npr
from network_prune.cli.main import app
from network_prune.deploy.bench.benched import Bench, BenchRow
from network_prune.deploy.costs.cost import Cost
from network_prune.deploy.costs.peak_memory import peak_bytes
from network_prune.deploy.costs.timing import times_in_turn
from network_prune.errors import ArgumentError, UnsupportedNetworkError
from network_prune.pruning.faster_copy.folding import fold_norms
from network_prune.sources.networks.multiply_adds import counted

PICTURE = torch.zeros(2, 3, 9, 9)


def small():
    return nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten(1)).eval()


def of(networks, **options):
    return npr.bench(networks, PICTURE, repeats=3, progress=False, **options)


def test_counts_are_those_worked_by_hand():
    model = small()
    with torch.no_grad():
        model[0].weight[0] = 0
    (row,) = of({"one": model}).rows
    outputs = 2 * 4 * 7 * 7
    assert row.cost.parameters == 4 * 3 * 9 + 2 * 4
    assert row.cost.non_zeros == 3 * 3 * 9 + 4  # the norm's biases are zero
    assert row.cost.multiply_adds == outputs * 3 * 9
    assert row.cost.activations == outputs
    assert (row.folded, len(row.seconds), row.shape) == (1, 3, (2, 3, 9, 9))


def test_columns_are_timms_and_the_first_network_is_what_others_compare_with():
    counts = {"multiply_adds": 4 * 10**9, "activations": 6_000_000}
    cost = Cost(parameters=3_000_000, non_zeros=1, **counts, state_bytes=7)
    slow = BenchRow("slow", (2, 3, 8, 8), cost, (0.2, 0.2, 0.8), 5_000_000, 1)
    fast = replace(slow, name="fast", seconds=(0.1, 0.1, 0.1), peak_bytes=None)
    found = Bench((slow, fast), "cpu")
    first, second = found.to_dicts()
    assert first == {
        "model": "slow",
        "infer_samples_per_sec": 5.0,
        "infer_step_time": 400.0,
        "infer_batch_size": 2,
        "infer_img_size": 8,
        "infer_gmacs": 2.0,
        "infer_macts": 3.0,
        "param_count": 3.0,
        "step_time_p50": 200.0,
        "step_time_p90": round(1000 * float(np.percentile([0.2, 0.2, 0.8], 90)), 3),
        "step_time_p99": round(1000 * float(np.percentile([0.2, 0.2, 0.8], 99)), 3),
        "peak_bytes": 5_000_000,
        "parameters": 3_000_000,
        "non_zeros": 1,
        "state_bytes": 7,
        "folded": 1,
        "times_as_fast": 1.0,
    }
    assert (second["times_as_fast"], second["peak_bytes"]) == (2.0, None)
    lines = str(found).splitlines()
    assert lines[0] == "cpu"
    assert lines[1].split()[:2] == ["network", "images/s"]
    assert lines[3].split() == [
        *("fast", "20.0", "100.00", "100.00", "100.00", "100.00", "2.00", "–"),
        *("3,000,000", "1", "2"),
    ]
    assert "<td" in found._repr_html_()
    assert repr(found) == "Bench(slow, fast: cpu)"


def test_resnet18_has_the_multiply_adds_and_activations_that_timm_publishes():
    model = npr.load_network("resnet18", weights="none").model
    with torch.no_grad():
        found = counted(lambda: model(torch.zeros(1, 3, 224, 224)))
    assert (round(found.multiply_adds / 1e9, 2), round(found.activations / 1e6, 2)) == (1.81, 2.48)


def test_the_peak_is_what_lives_at_once():
    def run():
        a = torch.zeros(1000)
        b = torch.ones(3000)
        del a
        return b, torch.zeros(500)

    kib = 4 * np.array([1000 + 3000, 3000 + 500])
    assert peak_bytes(run, torch.device("cpu")) == pytest.approx(kib.max(), abs=256)
    assert peak_bytes(run, torch.device("meta")) is None


def test_actions_take_turns_after_a_warm_up():
    calls = []
    times = times_in_turn([lambda: calls.append("a"), lambda: calls.append("b")], 2, warm_up=1)
    assert calls == ["a", "b"] * 3
    assert [len(each) for each in times] == [2, 2]
    assert times_in_turn([lambda: calls.append("a")], 0) == [[]]
    assert len(calls) == 6


@pytest.mark.parametrize("options", [{}, {"amp": True}, {"dtype": "bfloat16"}, {"fold": False}])
def test_networks_are_left_alone(options):
    model = small().train()
    before = copy.deepcopy(model.state_dict())
    with npr.prune_connections(model.eval(), p_prune=0.5, layers=(nn.Conv2d,)) as pruned:
        (row,) = of({"masked": model}, **options).rows
        zeroed = pruned.summary().total.zeroed
    assert row.cost.non_zeros == row.cost.parameters - zeroed - 4
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_removed_networks_are_folded_too():
    network = npr.load_network("digits")
    pictures = torch.randn(2, *network.preprocessing.shape)
    with npr.prune_neurons(network.model, p_prune=0.5, scope="layer"):
        removed = npr.remove_neurons(network.model, pictures, repeats=0)
    twin = copy.deepcopy(removed.model)
    assert fold_norms(twin) > 10
    with torch.no_grad():
        torch.testing.assert_close(twin(pictures), removed.model(pictures), rtol=1e-4, atol=1e-4)


def test_what_cannot_be_timed_is_said():
    with pytest.raises(ArgumentError, match=r"networks=\{\} names no network; pass"):
        of({})
    with pytest.raises(ArgumentError, match=r"images=3 is no batch; pass a tensor"):
        npr.bench({"a": small()}, 3)
    with pytest.raises(ArgumentError, match="repeats=0"):
        npr.bench({"a": small()}, PICTURE, repeats=0)
    with pytest.raises(ArgumentError, match="exclude each other"):
        of({"a": small()}, amp=True, dtype="bfloat16")
    with pytest.raises(ArgumentError, match=r"different devices \(a on cpu, b on meta\)"):
        of({"a": small(), "b": small().to("meta")})
    with pytest.raises(UnsupportedNetworkError):
        npr.bench({"a": small()}, torch.zeros(1, 5, 9, 9), repeats=1, progress=False)


def run(*arguments):
    return CliRunner().invoke(app, ["bench", "--repeats", "2", *map(str, arguments)])


def test_the_command_times_dense_masked_and_removed(tmp_path):
    path, table = tmp_path / "bench.json", tmp_path / "bench.csv"
    more = ("--scope", "layer", "--p-prune", 0.5, "--output", path, "--csv", table)
    result = run("--arch", "digits", "--arch", "digits-plain", *more)
    assert result.exit_code == 0, result.output
    rows = json.loads(path.read_text())
    assert [(row["model"], row["form"]) for row in rows] == [
        (model, form)
        for model in ("digits", "digits-plain")
        for form in ("dense", "masked", "removed")
    ]
    dense, masked, removed = rows[:3]
    assert masked["parameters"] == dense["parameters"] > removed["parameters"]
    assert masked["non_zeros"] < dense["non_zeros"]
    assert masked["infer_gmacs"] == dense["infer_gmacs"] > removed["infer_gmacs"]
    assert rows[0]["times_as_fast"] == 1.0
    assert all(f"digits-plain {form} " in result.stdout for form in ("dense", "masked", "removed"))
    with table.open(newline="") as file:
        first = next(csv.DictReader(file))
    assert list(first)[:3] == ["model", "infer_samples_per_sec", "infer_step_time"]
    assert first["form"] == "dense"


def test_what_does_not_differ_is_not_timed_twice():
    forms = [row["form"] for row in json.loads(run("--p-prune", 0, "--json").stdout)]
    assert forms == ["dense"]
    connections = run("--method", "connections", "--p-prune", 0.1)
    assert "nothing to remove" in connections.stdout
    assert "digits removed " not in connections.stdout


def test_one_file_cannot_hold_both(tmp_path):
    result = run("--output", tmp_path / "both", "--csv", tmp_path / "both")
    assert isinstance(result.exception, ArgumentError)
    assert "--output and --csv name one file" in str(result.exception)


def test_networks_of_other_sizes_have_tables_of_their_own():
    other = ("--arch", "timm:test_vit", "--weights", "none")
    result = run("--arch", "digits", *other, "--p-prune", 0)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("GMACs") == 2
