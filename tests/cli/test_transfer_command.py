"""``network-prune transfer``, as its user runs it."""

import csv
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from types import SimpleNamespace

import pytest

from network_prune.cli.main import main
from network_prune.transfer.running.row_run import RowRun

SMALL = (
    *("--surrogate", "digits", "--surrogate", "digits-plain", "--limit", "8", "--passes", "4"),
    *("--augmentation", "none", "--augmentation", "dwp"),
)


def call(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return SimpleNamespace(code=stop.value.code, out=out.getvalue(), err=err.getvalue())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One run with all that it can write: its folder, and what it said."""
    folder = tmp_path_factory.mktemp("transfer")
    files = ("--out", folder / "run", "--csv", folder / "a.csv", "--plot", folder / "a.svg")
    more = ("--output", folder / "a.json", "--save-images", folder / "images")
    found = call("transfer", *SMALL, *files, *more)
    assert found.code == 0, found.err
    return SimpleNamespace(folder=folder, **vars(found))


def test_rows_come_as_they_are_finished_then_tables(made):
    lines = made.out.splitlines()
    assert lines[0] == "images         digits, 8"
    assert lines[1].startswith("clean Acc@1    digits 100.0 ± ")
    assert "rows           12 of 12 to compute, 48 passes of each image, 384 in all" in lines
    rows = [line for line in lines if " s/iter" in line and not line.startswith(("|", "±"))]
    assert len(rows) == 12
    assert rows[0].startswith("digits, targeted, none, seed 0: digits-plain ")
    heads = [line for line in lines if ": images taken for" in line]
    assert [head.partition(":")[0] for head in heads] == [
        f"{surrogate}, {goal}"
        for surrogate in ("digits", "digits-plain")
        for goal in ("targeted", "untargeted")
    ]
    start = lines.index("Where an augmentation helps and where it doesn't, against none")
    assert lines[start + 4].startswith("| dwp          |        4 |")
    assert not made.err


def test_a_folder_is_shown_without_computing_anything(made, monkeypatch):
    monkeypatch.setattr(RowRun, "start", None)
    shown = call("transfer", "--show", made.folder / "run")
    assert shown.code == 0
    tables = made.out[made.out.index("digits, targeted: images taken") :].splitlines()
    assert shown.out.strip().splitlines() == [x for x in tables if not x.startswith("note: ")]


def test_a_folder_that_holds_no_run_is_refused(tmp_path):
    refused = call("transfer", "--show", tmp_path)
    assert refused.code == 2
    assert "holds no transfer.jsonl" in refused.err


def test_json_holds_records_figures_comparisons_and_the_summary(made):
    found = json.loads((made.folder / "a.json").read_text())
    assert list(found) == ["records", "figures", "comparisons", "summary"]
    assert len(found["records"]) == 12
    assert len(found["comparisons"]) == 4
    assert found["summary"][0]["settings"] == 4
    with (made.folder / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["success"] for row in rows] == [str(row["success"]) for row in found["figures"]]


def test_the_plot_has_a_panel_for_each_surrogate_goal_and_victim(made):
    text = (made.folder / "a.svg").read_text("utf-8")
    for name in ("digits → digits-plain, targeted", "digits-plain → digits, untargeted"):
        assert name in text


def test_what_is_recorded_is_not_computed_again_and_shown_the_same(made):
    again = call("transfer", *SMALL, "--out", made.folder / "run")
    assert "rows           0 of 12 to compute, 0 passes of each image, 0 in all" in again.out
    assert made.out.endswith(again.out.partition("in all\n\n")[2])
    printed = call("transfer", *SMALL, "--out", made.folder / "run", "--json")
    assert json.loads(printed.out) == json.loads((made.folder / "a.json").read_text())
    document = call("transfer", *SMALL, "--out", made.folder / "run", "--markdown")
    assert document.out.startswith("\n### digits, targeted: images taken for their target")


def test_saved_images_are_tried_again_with_the_same_tables(made):
    row = made.folder / "images" / "digits" / "targeted" / "dwp" / "seed-1"
    options = ("--surrogate", "digits", "--victim", "digits-plain", "--limit", "8")
    found = call("transfer", *options, "--goal", "targeted", "--adversarial", row, "--json")
    assert found.code == 0, found.err
    own = json.loads((made.folder / "a.json").read_text())["figures"]
    wanted = {
        figure["network"]: figure["success"]
        for figure in own
        if (figure["surrogate"], figure["goal"], figure["augmentation"], figure["seed"])
        == ("digits", "targeted", "dwp", 1)
        and figure["images"] == "rounded"
    }
    figures = json.loads(found.out)["figures"]
    assert {f["network"]: f["success"] for f in figures} == wanted
    assert {f["passes"] for f in figures} == {None}


@pytest.mark.parametrize("is_kept", [False, True])
def test_ctrl_c_shows_what_is_finished(monkeypatch, tmp_path, is_kept):
    usual, count = RowRun.start, iter(range(100))

    def run(self):
        if next(count) == 2:
            raise KeyboardInterrupt
        return usual(self)

    monkeypatch.setattr(RowRun, "start", run)
    out = tmp_path / "run"
    found = call("transfer", *SMALL, "--goal", "untargeted", *(("--out", out) if is_kept else ()))
    assert found.code == 130
    assert "digits, untargeted: images taken for a wrong class" in found.out
    kept = f"what is finished is in {out}; the same command goes on from there"
    assert (kept in found.err) == is_kept
    assert "interrupted" in found.err.splitlines()[-1]
    if is_kept:
        monkeypatch.undo()
        again = call("transfer", *SMALL, "--goal", "untargeted", "--out", out)
        assert "rows           4 of 6 to compute" in again.out


def test_ctrl_c_shows_the_rows_of_the_plan_alone(monkeypatch, tmp_path):
    small = ("transfer", *SMALL, "--goal", "untargeted", "--out", tmp_path / "run")
    assert call(*small, "--epsilon", "0.2").code == 0

    def run(_):
        raise KeyboardInterrupt

    usual, count = RowRun.start, iter(range(100))
    monkeypatch.setattr(RowRun, "start", lambda row: (usual if next(count) < 2 else run)(row))
    shown = [call(*small, "--output", tmp_path / f"{name}.json") for name in ("one", "again")]
    assert {each.code for each in shown} == {130}
    found = json.loads((tmp_path / "one.json").read_text())["records"]
    assert [(r["augmentation"]["name"], r["attack"]["epsilon"]) for r in found] == [
        ("none", 0.15),
        ("dwp", 0.15),
    ]
    assert json.loads((tmp_path / "again.json").read_text())["records"] == found


def test_passes_are_said_to_be_of_each_surrogate():
    help_text = " ".join(call("transfer", "--help").out.replace("│", " ").split())
    assert "Passes of each image and surrogate, as for --passes" in help_text
    assert "A+B takes twice as many in all" in help_text


def test_a_dry_run_says_what_it_costs(run, tmp_path):
    outcome = run("transfer", *SMALL, "--dry-run", "--out", tmp_path / "run")
    assert "digits, targeted, dwp: 2 seeds x 4 iterations x 1 passes" in outcome.out
    assert "in all 12 rows, 48 passes of each image, 384 in all" in outcome.out
    assert not (tmp_path / "run").exists()


def test_what_does_not_go_together_is_refused_before_anything_runs(refused, tmp_path):
    assert "exclude each other" in refused("transfer", "--json", "--markdown")
    assert "isn't of a known format" in refused("transfer", "--plot", tmp_path / "a.gif")
    gone = tmp_path / "gone" / "a.csv"
    assert "cannot write" in refused("transfer", "--csv", gone, code=1)
    assert "unknown augmentation 'dwq'; did you mean dwp" in refused(
        "transfer", "--augmentation", "dwq"
    )


def test_alone_it_makes_images_on_each_embedded_network_under_each_augmentation(run):
    outcome = run("transfer", "--goal", "targeted", "--limit", 4, "--passes", 5, "--seeds", 1)
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert sum(": images taken for their target" in line for line in lines) == 4
    start = lines.index("Where an augmentation helps and where it doesn't, against none")
    names = [line.split()[1] for line in lines[start + 4 : start + 9]]
    assert names == ["dwp", "rapa", "dropout", "scale", "mup"]
    assert {line.split()[3] for line in lines[start + 4 : start + 9]} == {"12"}


@pytest.mark.slow
def test_alone_it_takes_the_embedded_networks_and_says_where_augmentations_help(run):
    outcome = run("transfer", "--json")
    found = json.loads(outcome.out)
    assert len({record["surrogates"][0]["name"] for record in found["records"]}) >= 3
    assert [each["augmentation"] for each in found["summary"]] == [
        *("dwp", "rapa", "dropout", "scale", "mup")
    ]
    assert all(each["settings"] >= 12 for each in found["summary"])
    assert all(each["unequal"] == 0 for each in found["summary"])
