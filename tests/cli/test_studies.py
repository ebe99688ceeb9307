"""``network-prune sensitivity`` and ``network-prune diversity`` from end to end."""

import json
import re

import pytest

FEW = ("--limit", 40)
PLAIN = ("--no-fold", "--no-channels-last", "--json")


@pytest.mark.parametrize("method", ["connections", "weights"])
def test_a_cell_is_what_eval_gives_for_that_layer(run, method):
    options = (*FEW, "--method", method, "--p-bern", 0.5, "--seed", 3, "--index", 1)
    record = json.loads(
        run("sensitivity", *options, "--include", "conv1.*", "--p-prune", 0.5, "--json").out
    )
    assert [cell["layer"] for cell in record["cells"]] == ["conv1.0", "conv1.3", "conv1.6"]
    assert record["pruning"]["p_prune"] == [0.5]
    dense = json.loads(run("eval", *FEW, "--p-prune", 0, *PLAIN).out)["draws"][0]["metrics"]
    assert {**record["dense"], "seconds": 0} == {**dense, "seconds": 0}
    for cell in record["cells"][:2]:
        include = ("--include", cell["layer"], "--p-prune", 0.5)
        (draw,) = json.loads(run("eval", *options, *include, *PLAIN).out)["draws"]
        assert cell["metrics"] == {**draw["metrics"], "seconds": 0.0}
        assert cell["draw_sha256"] == draw["sha256"]
        assert cell["newly_zeroed"] == draw["summary"]["newly_zeroed"]
        difference = cell["difference"]["acc1_difference"]
        assert difference == pytest.approx(draw["metrics"]["acc1"] - dense["acc1"])


def test_sensitivity_shows_a_table_of_differences_with_marks(run, tmp_path):
    outcome = run(
        "sensitivity", *FEW, "--include", "conv1.0", "--include", "layer1.*", "--p_prune=0",
        "--p-prune=0.9", "--plot", tmp_path / "a.svg", "--output", tmp_path / "a.json",
    )  # fmt: skip
    assert outcome.code == 0
    assert "| layer | p_prune 0 | p_prune 0.9 |\n|:--|--:|--:|\n" in outcome.out
    assert re.search(r"^\| conv1.0 \| \+0.00 \| -\d+\.\d\d \* \|$", outcome.out, re.MULTILINE)
    assert re.search(r"^dense: Loss \d", outcome.out, re.MULTILINE)
    assert "3 of 6 cells change no weight" in outcome.out
    assert (tmp_path / "a.svg").read_text("utf-8").startswith("<?xml")
    record = json.loads((tmp_path / "a.json").read_text())
    assert record.keys() == {
        "network", "preprocessing", "data", "pruning", "running", "dense", "cells", "versions"
    }  # fmt: skip
    low, high = record["cells"][1]["difference"]["acc1_interval"]
    assert low < high < 0


def test_diversity_shows_both_modes_and_their_difference(run, tmp_path):
    outcome = run(
        "diversity", *FEW, "--method", "weights", "--p-prune", 0.3, "--draws", 2,
        "--output", tmp_path / "a.json",
    )  # fmt: skip
    assert outcome.code == 0
    figures = r"\d+\.\d\d ± \d+\.\d\d"
    for mode in ("prune", "dropout"):
        row = rf"^\| weights \| {mode} \| 0.3 \| 15.00% \| {figures} \| {figures} \| 0\.\d+ ± "
        assert re.search(row, outcome.out, re.MULTILINE), outcome.out
    assert re.search(r"^\| weights \| difference .*\| \+\d+\.\d\d ± \S+ \*", outcome.out, re.M)
    record = json.loads((tmp_path / "a.json").read_text())
    assert (record["pruning"]["draws"], record["pruning"]["method"]) == (2, ["weights"])
    (cell,) = record["cells"]
    for mode in ("prune", "dropout"):
        assert cell[mode].keys() == {"acc1", "agreement", "cosine", "left_out_of_cosine"}
        assert cell[mode]["agreement"]["n"] == 40
    assert cell["difference"]["cosine"]["mean"] == pytest.approx(
        cell["prune"]["cosine"]["mean"] - cell["dropout"]["cosine"]["mean"], abs=1e-9
    )


def test_draws_of_a_certain_prune_say_that_they_are_the_same(run):
    outcome = run("diversity", *FEW, "--method", "neurons", "--p-prune", 0.1, "--p-bern", 1)
    assert "warning: at p_bern 1 all draws of the prunable set are the same" in outcome.out


def test_all_methods_and_fractions_are_the_default(run):
    record = json.loads(run("diversity", "--limit", 4, "--draws", 2, "--json").out)
    assert [(cell["method"], cell["p_prune"]) for cell in record["cells"]] == [
        (method, p_prune)
        for method in ("connections", "neurons", "weights")
        for p_prune in (0.1, 0.2, 0.3)
    ]


@pytest.mark.parametrize(
    ("command", "arguments", "text"),
    [
        ("sensitivity", ["--p-prune", "0.1", "--p-prune", "1.3"], "p_prune=1.3 is outside [0, 1]"),
        ("sensitivity", ["--method", "neurons", "--p-bern", "-1"], "p_bern=-1.0 is outside"),
        ("sensitivity", ["--include", "layr1.*"], "unknown layer or pattern 'layr1.*'"),
        ("sensitivity", ["--plot", "a.gif"], "isn't of a known format; pass a name that ends in"),
        ("sensitivity", ["--arch", "resnet18"], "resnet18 needs labelled images: pass --data"),
        ("sensitivity", ["--batch-size", "0"], "batch_size=0 is too small"),
        ("diversity", ["--draws", "1"], "draws=1 leaves no pair to compare; pass 2 or more"),
        ("diversity", ["--p-bern", "0"], "p_bern=0 prunes nothing, so no draws differ"),
        ("diversity", ["--method", "weigths"], "unknown method 'weigths'; did you mean weights"),
        ("diversity", ["--p-prune", "2"], "p_prune=2.0 is outside [0, 1]"),
        ("diversity", ["--score", "l3"], "unknown score 'l3'; did you mean"),
        ("diversity", ["--device", "abacus"], "device='abacus' isn't available here"),
        ("diversity", ["--mean", "a,b"], "mean='a,b' isn't numbers"),
    ],
)
def test_wrong_options_are_one_line(refused, command, arguments, text):
    assert text in refused(command, *arguments)


@pytest.mark.parametrize("option", ["--output", "--plot"])
def test_unwritable_files_are_found_before_the_run(refused, tmp_path, option):
    line = refused("sensitivity", option, tmp_path / "nowhere" / "a.svg", code=1)
    assert "nowhere/a.svg" in line


@pytest.mark.parametrize("command", ["sensitivity", "diversity"])
def test_ctrl_c_ends_with_130_and_one_line(run, monkeypatch, command):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"network_prune.cli.{command}_run.measure_{command}", interrupted)
    outcome = run(command)
    assert outcome.code == 130
    assert outcome.err.splitlines()[-1].startswith("network-prune: error: interrupted")
