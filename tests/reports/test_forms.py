"""Tables and lines in the forms that are asked for."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from network_prune.display.table import Column, Table, joined_columns
from network_prune.reports.forms.forms import form_text, markdown_lines, screen_lines
from network_prune.reports.forms.rows import Rows
from network_prune.reports.tables import HEAD, record_row
from tests.made_studies import random_study, variant

FIGURES = (
    Column("network", is_words=True),
    Column("Loss", within="performance", lead="Loss "),
    Column("Acc@1", within="performance", lead="Acc@1 "),
    Column("to dense", within="difference"),
    Column("95%", within="difference"),
)
TABLE = Table(
    FIGURES,
    [("a|b", "0.1", "97.5", "-1.0", "[-2.0, +0.5]"), ("c", "–", "", "–", "")],
    [{"network": "a|b", "loss": 0.1}],
)


def test_neighbours_share_a_column_in_documents():
    joined = joined_columns(TABLE)
    assert [column.title for column in joined.columns] == ["network", "performance", "difference"]
    assert joined.rows == [["a|b", "Loss 0.1  Acc@1 97.5", "-1.0 [-2.0, +0.5]"], ["c", "–", "–"]]
    assert markdown_lines(["above", TABLE]) == [
        "above",
        "| network | performance | difference |",
        "|:--|--:|--:|",
        r"| a\|b | Loss 0.1  Acc@1 97.5 | -1.0 [-2.0, +0.5] |",
        "| c | – | – |",
    ]


def test_rows_that_go_on_have_no_head_of_their_own():
    more = Table(TABLE.columns, TABLE.rows[1:], goes_on=True)
    assert markdown_lines([more]) == ["| c | – | – |"]
    assert screen_lines([more], 80)[:2] == ["", "network  Loss  to dense"]


def test_people_get_markdown_in_files_and_plain_text_on_terminals():
    assert screen_lines([TABLE], None) == markdown_lines([TABLE])
    plain = screen_lines([TABLE], None, plain=True)
    assert plain[0] == "network  Loss  Acc@1  to dense           95%"
    assert screen_lines([TABLE], 80) == plain


def test_lines_break_on_terminals_alone():
    line = "word " * 30
    assert screen_lines([line], None) == [line]
    assert len(screen_lines([line], 80)) == 2


def test_several_tables_are_one_csv_and_stand_apart_otherwise():
    both = [TABLE, Table(FIGURES[:1], [("d",)], [{"network": "d", "draws": 3}])]
    assert form_text(both, "csv", width=None) == "network,loss,draws\na|b,0.1,\nd,,3"
    assert form_text(both, "markdown", width=None).count("\n\n") == 1
    assert form_text(both, "latex", width=None).count(r"\end{tabular}") == 2


@given(st.text(max_size=20))
def test_whatever_a_cell_holds_a_row_is_a_line(text):
    table = Table([Column("a", is_words=True), Column("b")], [(text, "1")], [{"a": text, "b": 1}])
    for form in ("table", "markdown", "csv"):
        assert len(form_text([table], form, width=None).split("\n")) == {"markdown": 3}.get(form, 2)
    (row,) = csv.DictReader(io.StringIO(form_text([table], "csv", width=None)))
    assert row["b"] == "1"


def test_rows_for_a_file_are_markdown(tmp_path):
    study = random_study(tmp_path, [variant()], n=20)
    rows = Rows(None)
    assert rows.head() == HEAD.splitlines()
    assert [rows.row(record) for record in study] == list(map(record_row, study))
    assert rows.foot() == []


def test_rows_keep_to_the_terminal_before_the_later_ones_are_known(tmp_path):
    ways = [variant(p_prune=0.123456), variant(p_prune=0.9, score="mean-l1", scope="layer")]
    study = random_study(tmp_path, ways, n=20)
    rows = Rows(80)
    lines = [*rows.head(), *map(rows.row, study), *rows.foot()]
    assert max(map(len, lines)) <= 80
    assert "0.123456" in lines[2]
    assert lines[-1].startswith("no room for: ") or lines[-2].startswith("no room for: ")
