"""Rows as CSV: numbers are numbers, and no text is a formula."""

import csv

import pytest

from network_prune.display.text import plain
from network_prune.reports.exports import write_csv, write_parquet
from tests.cli.test_hostile_names import NAMES


@pytest.fixture
def read(tmp_path):
    def call(rows):
        write_csv(rows, tmp_path / "a.csv")
        with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    return call


@pytest.mark.parametrize("name", [*NAMES, "\tx", "\rx", "'quoted", "＝1", "-0.5,0.2"], ids=ascii)
def test_no_text_is_a_formula_nor_obeyed_by_a_terminal(read, name):
    (row,) = read([{"network": name}])
    assert row["network"][0] not in "=+-@\t\r＝＋－＠"
    assert row["network"] in (plain(name), f"'{plain(name)}")
    assert row["network"].isprintable()


def test_other_text_and_numbers_are_as_they_are(read):
    row = {"a": "resnet18", "b": -1, "c": -0.25, "d": None, "e": "a=b", "f": True}
    assert read([row]) == [
        {"a": "resnet18", "b": "-1", "c": "-0.25", "d": "", "e": "a=b", "f": "True"}
    ]


def test_parquet_holds_names_as_they_are(tmp_path):
    import pyarrow.parquet

    write_parquet([{"network": name} for name in NAMES], tmp_path / "a.parquet")
    found = pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert [row["network"] for row in found] == [
        name.encode("utf-8", "backslashreplace").decode() for name in NAMES
    ]
