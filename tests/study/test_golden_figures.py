"""Figures and masks on the digits stay what version 0.1.0 found, whatever is built anew.

The sweep's were found with channels last and folded norms, the others by the network itself.
Hits and masks are compared exactly, losses as far as different processors agree.
"""

import json
from pathlib import Path

import pytest

GOLDEN = json.loads(Path(__file__).with_name("golden-figures.json").read_text())
ITSELF = ("--no-fold", "--no-channels-last", "--json")


def check(record, row):
    *figures, loss_sum, draw_sha256 = row
    metrics = record["metrics"]
    assert [metrics[name] for name in ("n", "hits1", "hits5")] == figures
    assert metrics["loss_sum"] == pytest.approx(loss_sum, rel=1e-5)
    assert record["draw_sha256"] == draw_sha256


def test_a_sweeps_figures(run, tmp_path):
    options = [part for m in ("weights", "connections", "neurons") for part in ("--method", m)]
    options += ["--p-prune", 0.1, "--p-prune", 0.3, "--p-bern", 0.5, "--p-bern", 1, "--draws", 2]
    records = json.loads(run("sweep", *options, "--out", tmp_path, "--json").out)
    for record, (name, *row) in zip(records, GOLDEN["sweep"], strict=True):
        variant = record["variant"]
        point = ("method", "p_prune", "p_bern", "index")
        assert (variant and [variant[key] for key in point]) == name
        check(record, row)


def test_sensitivitys_figures(run):
    some = ("--p-prune", 0.3, "--p-prune", 0.7)
    _, *records = json.loads(run("sensitivity", *some, *ITSELF).out)
    found = {
        (record["variant"]["include"][0], record["variant"]["p_prune"]): record
        for record in records
    }
    assert len(found) == len(GOLDEN["sensitivity"]) == 28
    for layer, p_prune, *row in GOLDEN["sensitivity"]:
        check(found[layer, p_prune], row)


def test_diversitys_figures(run):
    _, *records = json.loads(run("diversity", "--method", "weights", "--p-prune", 0.1, *ITSELF).out)
    for record, (method, sha256, modes) in zip(records, GOLDEN["diversity"], strict=True):
        assert (record["variant"]["method"], record["prunable_sha256"]) == (method, sha256)
        for mode, figures in modes.items():
            for name, mean in figures.items():
                assert record["diversity"][mode][name]["mean"] == pytest.approx(mean, abs=1e-4)
