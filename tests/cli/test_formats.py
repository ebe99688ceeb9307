"""``--format``: the table alone on stdout, for other programs."""

import csv
import io
import json
import statistics

import pytest

from tests.made_studies import random_study, variant

DRAWS = 3
COMMANDS = {
    "records": ("records", "study"),
    "compare": ("compare", "study"),
    "eval": ("eval", "--limit", 8),
    "sensitivity": ("sensitivity", "--limit", 8, "--p-prune", 0.3),
    "list": ("list", "resnet1*"),
    "inspect": ("inspect",),
    "diversity": ("diversity", "--limit", 8, "--draws", 2, "--p-prune", 0.2, "--method", "weights"),
    "find": ("find", "--limit", 40, "--step", 0.5, "--max-drop", 60),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ways = [variant(p_prune=p, index=i) for p in (0.1, 0.4) for i in range(DRAWS)]
    return random_study(tmp_path / "study", [*ways, variant(p_prune=0.7)], n=100)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_csv_alone_is_printed_and_has_numbers(run, arguments):
    outcome = run(*arguments, "--format", "csv")
    assert outcome.code == 0, outcome.err
    rows = rows_of(outcome.out)
    assert rows
    assert None not in rows[0]
    assert "\r" not in outcome.out
    assert all(len(row) == len(rows[0]) for row in rows)
    assert any(_is_number(value) for row in rows for value in row.values())


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_latex_markdown_and_tables_are_printed_alone(run, arguments):
    latex = run(*arguments, "--format", "latex").out.splitlines()
    assert latex[-1] == r"\end{tabular}"
    body = latex[latex.index(r"\midrule") + 1 : -2]
    assert body
    assert all(line.endswith(r" \\") for line in body)
    assert len({line.count(" & ") for line in body}) == 1


@pytest.mark.parametrize("name", ["records", "compare", "list", "inspect"])
def test_markdown_and_tables_are_printed_alone(run, name):
    markdown = run(*COMMANDS[name], "--format", "markdown").out.splitlines()
    assert all(line.startswith("|") and line.endswith("|") for line in markdown)
    assert len(markdown) > 2
    table = run(*COMMANDS[name], "--format", "table").out.splitlines()
    assert len(table) == len(markdown) - 1  # which has a rule
    assert "|" not in "".join(table)


def test_json_is_what_the_option_of_that_name_prints(run):
    for arguments in (COMMANDS["records"], COMMANDS["compare"], COMMANDS["list"]):
        assert run(*arguments, "--format", "json").out == run(*arguments, "--json").out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "tabble"), "unknown format 'tabble'; did you mean table"),
        (("--format", "csv", "--json"), "--json and --format csv exclude each other; pass one"),
    ],
)
def test_wrong_forms_are_told_in_a_line(refused, options, message):
    for arguments in COMMANDS.values():
        assert message in refused(*arguments, *options)


def test_a_document_and_a_form_exclude_each_other(refused):
    assert "--markdown and --format latex exclude" in refused(
        "compare", "study", "--markdown", "--format", "latex"
    )
    assert "--json and --markdown exclude each other; pass one" in refused(
        "compare", "study", "--markdown", "--json"
    )


def test_notes_go_to_stderr(run):
    outcome = run("records", "study", "--format", "csv")
    assert "8 of 8 records" in outcome.err
    assert "records" not in outcome.out


def test_means_and_deviations_over_draws_are_numbers(run, folder):
    rows = rows_of(run("records", "study", "--format", "csv").out)
    assert [row["draws"] for row in rows] == ["1", "3", "3", "1"]
    own = [r for r in folder if r["variant"] and r["variant"]["p_prune"] == 0.4]
    acc1 = [record["metrics"]["acc1"] for record in own]
    drops = [record["difference"]["acc1_difference"] for record in own]
    row = rows[2]
    assert (row["method"], row["p_prune"], row["seed"]) == ("weights", "0.4", "0")
    assert "index" not in row
    assert float(row["acc1_mean"]) == statistics.fmean(acc1)
    assert float(row["acc1_sd"]) == statistics.stdev(acc1)
    assert float(row["acc1_difference_mean"]) == statistics.fmean(drops)
    assert rows[0]["acc1_sd"] == rows[3]["acc1_sd"] == rows[0]["acc1_difference_mean"] == ""


def test_records_are_a_row_for_each_variant_and_each_shows_the_draws(run, folder):
    outcome = run("records", "study")
    rows = [line.split(" | ") for line in outcome.out.splitlines() if line.startswith("| digits")]
    assert [row[1] for row in rows] == ["dense", "weights", "weights", "weights"]
    assert [row[4:6] for row in rows[1:3]] == [["0/0…2", "3"]] * 2
    assert all("±" in row[8] for row in rows[1:3])
    assert "±" not in rows[0][8] + rows[3][8]
    assert "rows with ±: mean ± standard deviation over draws; --each" in outcome.out
    each = run("records", "study", "--each").out
    rows = [line for line in each.splitlines() if line.startswith("| digits")]
    assert len(rows) == len(folder) == 8
    assert "±" not in each
    single = rows_of(run("records", "study", "--each", "--format", "csv").out)
    assert [row["key"] for row in single] == [record["key"] for record in folder]


def test_conditions_choose_the_draws_that_are_averaged(run):
    rows = rows_of(run("records", "study", "--where", "index=1", "--format", "csv").out)
    assert [row["draws"] for row in rows] == ["1", "1"]


def test_a_csv_of_eval_has_a_row_for_each_draw_and_no_mean(run):
    call = ("eval", "--limit", 8, "--p-bern", 0.5, "--draws", 2)
    rows = rows_of(run(*call, "--format", "csv").out)
    assert [row["index"] for row in rows] == ["", "0", "1"]
    markdown = run(*call, "--format", "markdown").out
    assert markdown.count("\n") == 6
    assert "±" in markdown.splitlines()[-1]


def test_formulas_of_a_spreadsheet_and_escapes_stay_text(run, tmp_path):
    random_study(tmp_path / "b", [variant()], n=20, network="=1+1\x1b[31m")
    rows = rows_of(run("records", "b", "--format", "csv").out)
    assert rows[0]["network"] == "'=1+1\\x1b[31m"


def test_output_is_written_beside_a_form(run, tmp_path):
    run("compare", "study", "--format", "latex", "--output", tmp_path / "found.json")
    assert json.loads((tmp_path / "found.json").read_text())["comparisons"]
