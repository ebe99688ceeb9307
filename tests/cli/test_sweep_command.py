"""``network-prune sweep`` and ``records``, as their user runs them."""

import csv
import json

import pyarrow.parquet
import pytest

TWO = ("--arch", "resnet0", "--arch", "digits", "--data", "digits")
SMALL = ("--limit", 40, "--method", "weights", "--p-prune", 0.2, "--p-prune", 0.4)


@pytest.fixture
def study(run, tmp_path):
    folder = tmp_path / "study"
    assert run("sweep", "--out", folder, *SMALL).code == 0
    return folder


def test_rows_come_as_variants_are_finished_and_stay_recorded(run, tmp_path):
    folder = tmp_path / "study"
    first = run("sweep", "--out", folder, *SMALL)
    rows = [line for line in first.out.splitlines() if line.startswith("| digits")]
    assert [row.split(" | ")[1:4] for row in rows] == [
        ["dense", "0", "0"],
        ["weights", "0.2", "1"],
        ["weights", "0.4", "1"],
    ]
    assert "3 of 3 variants are recorded" in first.out
    again = run("sweep", "--out", folder, *SMALL)
    assert not [line for line in again.out.splitlines() if line.startswith("| digits")]
    shown = run("records", folder)
    assert [line for line in shown.out.splitlines() if line.startswith("| digits")] == rows
    assert "3 of 3 records" in shown.out


def test_json_is_the_records(run, study):
    swept = json.loads(run("sweep", "--out", study, *SMALL, "--json").out)
    assert json.loads(run("records", study, "--json").out) == swept
    chosen = run("records", study, "--where", "p_prune=0.4", "--where", "method=weights", "--json")
    assert [record["variant"]["p_prune"] for record in json.loads(chosen.out)] == [0.4]


def test_csv_and_parquet_hold_the_figures(run, study, tmp_path):
    paths = tmp_path / "rows.csv", tmp_path / "rows.parquet"
    run("records", study, "--csv", paths[0], "--parquet", paths[1])
    records = json.loads(run("records", study, "--json").out)
    with paths[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    table = pyarrow.parquet.read_table(paths[1]).to_pylist()
    for record, row, other in zip(records, rows, table, strict=True):
        assert float(row["loss"]) == other["loss"] == record["metrics"]["loss"]
        assert row["key"] == other["key"] == record["key"]
    assert [row["method"] for row in rows] == ["dense", "weights", "weights"]
    assert rows[0]["acc1_difference"] == ""
    assert float(rows[1]["acc1_difference"]) == records[1]["difference"]["acc1_difference"]


def test_a_plan_file_and_options_that_overrule_it(run, tmp_path):
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "limit: 40\ngrids:\n  - {method: weights, p_prune: 0.2}\n  - {method: neurons}\n"
    )
    out = run(
        "sweep", plan, "--out", tmp_path / "study", "--p-prune", 0.1, "--no-fold", "--json"
    ).out
    variants = [record["variant"] for record in json.loads(out)]
    assert [(v["method"], v["p_prune"]) for v in variants[1:]] == [
        ("weights", 0.1),
        ("neurons", 0.1),
    ]
    assert {record["asked"]["running"]["fold"] for record in json.loads(out)} == {False}


def test_eval_takes_plans_as_sweep_does(run, refused, tmp_path):
    plan = tmp_path / "plan.yaml"
    plan.write_text("limit: 8\np_bern: 0.5\ngrids:\n  - {method: neuron, p_prune: [0.1, 0.2]}\n")
    sweep = run("sweep", plan, "--out", tmp_path / "study", "--draws", 2, "--json")
    found = run("eval", plan, "--draws", 2, "--json")
    assert (found.code, found.out.count('"method": "neurons"')) == (0, 4)
    times = ("timings", "seconds")
    rows = [
        [{name: v for name, v in record.items() if name not in times} for record in json.loads(out)]
        for out in (found.out, sweep.out)
    ]
    assert rows[0] == rows[1]
    assert [path.name for path in tmp_path.iterdir()].count("study") == 1
    shown = run("eval", plan, "--p-prune", 0.3).out
    assert shown.count("| digits | neurons | 0.3 | 0.5 |") == 1
    assert "| digits | neurons | 0.1 |" not in shown
    plan.write_text("limit: 8\nmethods: weights\n")
    assert "plan.yaml line 2: unknown key 'methods'; did you mean method" in refused("eval", plan)


def test_a_dry_run_writes_nothing(run, tmp_path):
    outcome = run("sweep", "--dry-run", "--out", tmp_path / "study", *SMALL, "--p-bern", 0.5)
    assert "digits: 40 images, 1 dense and 2 pruned variants" in outcome.out
    assert "weights, p_prune 0.4, p_bern 0.5, draw 0/0, score l1, scope global" in outcome.out
    assert "in all about" in outcome.out
    assert not (tmp_path / "study").exists()


def test_a_dry_run_takes_off_what_is_recorded(run, study):
    outcome = run("sweep", "--dry-run", "--out", study, *SMALL)
    assert "3 are recorded, about 0 min 0 s" in outcome.out
    assert "in all about 0 min 0 s" in outcome.out
    outcome = run("sweep", "--dry-run", "--out", study, *SMALL, "--p-prune", 0.6)
    assert "3 are recorded, about" in outcome.out


def test_a_dry_run_of_one_variant_says_so_in_the_singular(run, tmp_path):
    outcome = run("sweep", "--dry-run", "--out", tmp_path / "study", "--limit", 40)
    assert "digits: 40 images, 1 dense and 1 pruned variant\n" in outcome.out


def test_a_half_written_line_is_told(run, study):
    path = study / "records.jsonl"
    path.write_bytes(path.read_bytes() + b'{"schema": 1, ')
    for command in (("records", study), ("sweep", "--out", study, *SMALL)):
        outcome = run(*command)
        assert outcome.code == 0
        assert "records.jsonl: the last line is half-written (14 bytes) and left" in outcome.err


def test_the_preset_is_the_grid_of_the_published_rows(run, tmp_path):
    outcome = run(
        "sweep", "--preset", "published", "--out", tmp_path, "--arch", "digits", "--dry-run"
    )
    assert outcome.out.count("connections, p_prune") == 9
    assert outcome.out.count("neurons, p_prune") == 3


def test_a_failed_network_ends_with_1_and_the_others_are_recorded(run, tmp_path):
    outcome = run("sweep", "--out", tmp_path / "s", *TWO, *SMALL)
    assert outcome.code == 1
    assert "1 of 2 networks failed: resnet0" in outcome.err
    assert "weights | 0.4" in outcome.out


def test_an_interruption_says_how_to_go_on(run, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("network_prune.study.sweep.NetworkRun.run", interrupt)
    outcome = run("sweep", "--out", tmp_path / "study", *SMALL)
    assert outcome.code == 130
    assert "the same command goes on from there" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sweep", "--p-prune", 1.3), r"p_prune=1.3 is outside [0, 1]"),
        (("sweep", "--score-images", 3), "--score-images 3 goes with --score taylor or gradient"),
        (("sweep", "--preset", "x"), "unknown preset 'x'"),
        (("sweep", "plan.yaml", "--preset", "published"), "exclude each other"),
        (("sweep", "none.yaml"), "cannot read the plan none.yaml"),
        (("sweep", "--mean", "a,b"), "mean='a,b' isn't numbers"),
        (("records", "nowhere"), "nowhere holds no records.jsonl"),
    ],
)
def test_wrong_calls_are_told_in_a_line(refused, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(*arguments)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("p_prune=much", "p_prune has numbers; pass one"),
        ("method", "has no '='; pass COLUMN=VALUE"),
        ("p_prun=1", "unknown column 'p_prun'; did you"),
    ],
)
def test_wrong_filters_are_told(refused, study, condition, message):
    assert message in refused("records", study, "--where", condition)


def test_warnings_say_how_many_variants_they_concern(run, tmp_path):
    arguments = ("--limit", 40, "--score", "taylor", "--score-images", 8, "--p-prune", 0.2)
    outcome = run("sweep", "--out", tmp_path, *arguments, "--p-prune", 0.3)
    line = "warning: 2 of 3: the score was computed on images of the evaluation data"
    assert f"\n{line}; pass --score-data" in outcome.out
    assert f"\n{line}; pass --score-data" in run("records", tmp_path).out


def test_rows_tell_variants_apart_by_options_that_have_no_column(run, tmp_path):
    arguments = ("--method", "neurons", "--score", "lamp", "--score", "l1", "--scope", "layer")
    out = run("sweep", "--out", tmp_path, "--limit", 8, *arguments, "--with-norm").out
    methods = [line.split(" | ")[1] for line in out.splitlines() if line.startswith("| digits")]
    lamp = "neurons score=lamp scope=layer with norm"
    assert methods == ["dense", lamp, "neurons scope=layer with norm"]
