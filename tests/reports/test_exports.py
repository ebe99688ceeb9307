"""Rows as CSV: numbers are numbers, and no text is a formula."""

import csv
import re

import pytest

from network_prune.errors import RunError
from network_prune.plain_text import plain
from network_prune.reports.exports import write_csv, write_parquet
from tests.cli.test_hostile_names import NAMES


@pytest.fixture
def read(tmp_path):
    def call(rows):
        write_csv(lambda: rows, tmp_path / "a.csv")
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


@pytest.mark.parametrize(
    "text", [*NAMES, "a;=1", "a; \t@x", "a;'b", "'a", "a;b", "-1", " =1", ";;=", "a'b"], ids=ascii
)
def test_who_takes_one_apostrophe_away_has_the_text(read, text):
    (row,) = read([{"network": text}])
    assert not any(part.lstrip()[:1] in tuple("=+-@＝＋－＠") for part in row["network"].split(";"))
    assert re.sub("(^|;)'", r"\1", row["network"]) == plain(text)


def test_names_of_columns_are_no_formulas(read):
    (row,) = read([{"=1+1": 1, "\x1b[1m": None}, {"=1+1": 2}])[:1]
    assert list(row) == ["'=1+1", r"\x1b[1m"]


def test_pandas_reads_numbers_as_numbers(read, tmp_path):
    import pandas

    read([{"name": "=1", "acc1": -1.5, "n": 3}, {"name": "b", "acc1": None, "n": 4}])
    found = pandas.read_csv(tmp_path / "a.csv")
    assert [str(kind) for kind in found.dtypes[1:]] == ["float64", "int64"]


def test_an_older_table_is_kept_until_the_new_one_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    write_parquet([{"a": 1}], path)
    before = path.read_bytes()
    monkeypatch.setattr(
        "os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(RunError, match=r"cannot write .*a\.parquet: No space left"):
        write_parquet([{"a": 2}], path)
    assert path.read_bytes() == before
