"""``network-prune sensitivity`` and ``network-prune diversity`` from end to end."""

import json
import re

import pytest

FEW = ("--limit", 40)


@pytest.mark.parametrize(
    ("method", "speed"), [("connections", ("--no-fold", "--no-channels-last")), ("weights", ())]
)
def test_a_cell_is_what_eval_gives_for_that_layer(run, method, speed):
    options = (*FEW, "--method", method, "--p-bern", 0.5, "--seed", 3, "--index", 1, *speed)
    dense, *cells = json.loads(
        run("sensitivity", *options, "--include", "conv1.*", "--p-prune", 0.5, "--json").out
    )
    layers = [cell["realised"]["layers"][0]["name"] for cell in cells]
    assert layers == ["conv1.0", "conv1.3", "conv1.6"]
    assert json.loads(run("eval", *FEW, *speed, "--p-prune", 0, "--json").out) == [dense]
    for cell, layer in zip(cells[:2], layers[:2], strict=True):
        include = ("--include", layer, "--scope", "layer", "--p-prune", 0.5)
        assert json.loads(run("eval", *options, *include, "--json").out) == [dense, cell]
        difference = cell["difference"]["acc1_difference"]
        assert difference == pytest.approx(cell["metrics"]["acc1"] - dense["metrics"]["acc1"])


def test_sensitivity_shows_a_table_of_differences_with_marks(run, tmp_path):
    outcome = run(
        "sensitivity", *FEW, "--include", "conv1.0", "--include", "layer1.*", "--p_prune=0.0001",
        "--p-prune=0.9", "--plot", tmp_path / "a.svg", "--output", tmp_path / "a.json",
    )  # fmt: skip
    assert outcome.code == 0
    assert "| layer | p_prune 0.0001 | p_prune 0.9 |\n|:--|--:|--:|\n" in outcome.out
    assert re.search(r"^\| conv1.0 \| \+0.00 \| -\d+\.\d\d \* \|$", outcome.out, re.MULTILINE)
    assert re.search(r"^dense: Loss \d", outcome.out, re.MULTILINE)
    assert "3 of 6 cells change no weight" in outcome.out
    assert "| digits |" not in outcome.out
    assert (tmp_path / "a.svg").read_text("utf-8").startswith("<?xml")
    records = json.loads((tmp_path / "a.json").read_text())
    (low, high), *_ = (
        record["difference"]["acc1_interval"]
        for record in records[1:]
        if record["variant"]["p_prune"] == 0.9
    )
    assert low < high < 0


def test_sensitivity_takes_several_networks_and_methods_and_a_folder(run, tmp_path):
    options = ("--limit", 8, "--include", "conv1.*", "--p-prune", 0.5, "--out", tmp_path / "s")
    options += ("--method", "weights", "--method", "neurons", "--score", "taylor")
    outcome = run("sensitivity", *options, "--score-images", 8, "--plot", tmp_path / "a.svg")
    assert outcome.code == 0
    for method in ("weights", "neurons"):
        assert f"digits: {method}, one layer at a time, p_bern 1, seed 0" in outcome.out
    assert outcome.out.count("| conv1.3 |") == 2
    again = run("sensitivity", *options, "--score-images", 8)
    assert again.out.count("| conv1.3 |") == 2
    assert "7 of 7 variants are recorded" in again.out
    assert len((tmp_path / "s" / "records.jsonl").read_text().splitlines()) == 7


def test_diversity_shows_both_modes_and_their_difference(run, tmp_path):
    outcome = run(
        "diversity", *FEW, "--method", "weights", "--p-prune", 0.3, "--draws", 2,
        "--output", tmp_path / "a.json",
    )  # fmt: skip
    assert outcome.code == 0
    figures = r"\d+\.\d\d ± \d+\.\d\d"
    for mode in ("prune", "dropout"):
        row = rf"^\| digits \| weights \| {mode} \| 0.3 \| 0.5 \| 15.00% \| {figures} \| {figures} "
        assert re.search(row, outcome.out, re.MULTILINE), outcome.out
    assert re.search(
        r"^\| digits \| weights \| difference .*\| \+\d+\.\d\d ± \S+ \*", outcome.out, re.M
    )
    dense, record = json.loads((tmp_path / "a.json").read_text())
    assert (dense["variant"], dense["diversity"]) == (None, None)
    found = record["diversity"]
    assert (found["draws"], record["variant"]["method"]) == (2, "weights")
    for mode in ("prune", "dropout"):
        assert found[mode].keys() == {"acc1", "agreement", "cosine", "left_out_of_cosine"}
        assert found[mode]["agreement"]["n"] == 40
    assert found["difference"]["cosine"]["mean"] == pytest.approx(
        found["prune"]["cosine"]["mean"] - found["dropout"]["cosine"]["mean"], abs=1e-9
    )


@pytest.mark.parametrize("options", [("--dtype", "bfloat16"), ("--amp",), ("--score", "taylor")])
def test_diversity_takes_the_options_of_every_study(run, options):
    outcome = run("diversity", "--limit", 8, "--p-prune", 0.3, "--draws", 2, *options, "--json")
    assert outcome.code == 0
    for record in json.loads(outcome.out)[1:]:
        assert 0 <= record["diversity"]["prune"]["acc1"]["mean"] <= 100


def test_draws_of_a_certain_prune_say_that_they_are_the_same(run):
    outcome = run("diversity", *FEW, "--method", "neurons", "--p-prune", 0.1, "--p-bern", 1)
    assert "warning: at p_bern 1 all draws of the prunable set are the same" in outcome.out


def test_all_methods_and_fractions_are_the_default(run):
    _, *records = json.loads(run("diversity", "--limit", 4, "--draws", 2, "--json").out)
    variants = [record["variant"] for record in records]
    assert [(variant["method"], variant["p_prune"]) for variant in variants] == [
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
        ("diversity", ["--p-prune", "0"], "p_prune=0 prunes nothing, so no draws differ; pass"),
        ("inspect", ["--scope", "alone"], "inspect shows one variant: pass --scope layer"),
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

    monkeypatch.setattr("network_prune.evaluation.one_pass.Chunk.evaluate", interrupted)
    outcome = run(command)
    assert outcome.code == 130
    assert outcome.err.splitlines()[-1].startswith("network-prune: error: interrupted")


@pytest.fixture
def weights_elsewhere(tmp_path):
    """Weights in a folder that isn't the current one."""
    from network_prune.sources.digits.embedded import NETWORKS

    path = tmp_path / "elsewhere" / "digits.safetensors"
    path.parent.mkdir()
    path.write_bytes(NETWORKS["digits"].weights.read_bytes())
    return path


def test_weights_in_a_file_elsewhere_have_their_tables_and_feet(run, weights_elsewhere):
    options = ("--weights", weights_elsewhere, "--limit", 8, "--p-prune", 0.2, "--p-bern", 0.5)
    layers = run("sensitivity", *options, "--include", "conv1.*").out
    assert "digits (digits.safetensors): connections, one layer at a time" in layers
    assert "| conv1.3 |" in layers
    draws = run("diversity", *options, "--draws", 2, "--method", "weights").out
    assert "| weights | difference |" in draws
    means = run("eval", *options, "--draws", 2).out
    assert "| digits (digits.safetensors) | connections | 0.2 | 0.5 | 0/0…1 |" in means
    assert "draw 1, realised: " in means


def test_what_prunes_nothing_has_its_column(run, tmp_path):
    options = (*FEW, "--include", "layer1.*", "--plot", tmp_path / "a.svg")
    outcome = run("sensitivity", *options, "--p-prune", 0, "--p-prune", 1)
    assert "| layer | p_prune 0 | p_prune 1 |" in outcome.out
    assert outcome.out.count("| +0.00 |") >= 2
    assert "4 cells change no weight" in outcome.out
    assert run("sensitivity", *options, "--p-bern", 0, "--p-prune", 0.5).code == 0


def test_ctrl_c_shows_the_cells_that_are_finished(run, monkeypatch, tmp_path):
    from network_prune.study.running.network_run import NetworkRun

    recorded, record = [], NetworkRun._finish

    def interrupt(self, key, *others):
        if len(recorded) == 4:
            raise KeyboardInterrupt
        recorded.append(key)
        record(self, key, *others)

    monkeypatch.setattr(NetworkRun, "_finish", interrupt)
    options = (*FEW, "--include", "layer1.*", "--p-prune", 0.5, "--p-prune", 0.9)
    outcome = run("sensitivity", *options, "--output", tmp_path / "a.json")
    assert outcome.code == 130
    assert re.search(r"^\| layer1.0.conv2 \| \S+ \| – \|$", outcome.out, re.MULTILINE)
    assert len(json.loads((tmp_path / "a.json").read_text())) == 4


def test_a_failed_network_doesnt_keep_the_others_from_their_tables_and_plot(run, tmp_path):
    options = ("--data", "fake:4", "--include", "layer1.*", "--plot", tmp_path / "a.svg")
    outcome = run("sensitivity", "--arch", "resnet0", "--arch", "digits", *options)
    assert outcome.code == 1
    assert "| layer1.0.conv1 |" in outcome.out
    assert "error" not in outcome.out
    assert "resnet0: unknown network 'resnet0'" in outcome.err
    assert (tmp_path / "a.svg").exists()


def test_rows_of_diversity_name_what_sets_them_apart(run):
    options = ("--limit", 4, "--draws", 2, "--method", "weights", "--p-prune", 0.5)
    options += ("--scope", "alone", "--include", "layer1.*")
    out = run("diversity", *options).out
    assert "| weights scope=layer include=layer1.0.conv1 | prune |" in out
    assert "| weights scope=layer include=layer1.0.conv2 | prune |" in out


def test_what_cant_be_ranked_is_told_before_anything_is_printed(run):
    outcome = run("eval", "--include", "layr1.*", "--data", "fake:4")
    assert (outcome.code, outcome.out) == (2, "")
