"""Rows that differ in their key differ in a column that says why."""

import copy
from dataclasses import fields
from pathlib import Path

import pytest

from network_prune.reports.tables import record_row
from network_prune.results.axes import axes, differing
from network_prune.results.naming import method_text
from network_prune.results.record_key import record_key
from network_prune.results.records import FILE, read_records
from network_prune.results.rows import flat_row
from network_prune.sources.preprocessing import Preprocessing

LINES = Path(__file__).with_name("schema-1.jsonl")


@pytest.fixture
def learned(tmp_path):
    (tmp_path / FILE).write_bytes(LINES.read_bytes())
    return list(read_records(tmp_path)[0].values())[-1]


def leaves(value, path=()):
    if not isinstance(value, dict):
        yield path
        return
    for name, inner in value.items():
        yield from leaves(inner, (*path, name))


def changed(record, path):
    other = copy.deepcopy(record)
    place = other
    for name in path[:-1]:
        place = place[name]
    value = place[path[-1]]
    place[path[-1]] = [*value, "x"] if isinstance(value, list) else f"other {value}"
    return other


def test_every_leaf_of_the_key_is_a_column(learned):
    found = 0
    for path in leaves(learned):
        other = changed(learned, path)
        if path != ("key",) and record_key(other) != learned["key"]:
            found += 1
            assert axes(other) != axes(learned), path
            assert {**flat_row(other), "key": ""} != {**flat_row(learned), "key": ""}, path
    assert found > 30


def test_every_field_of_the_preprocessing_is_a_column(learned):
    assert {field.name for field in fields(Preprocessing)} <= axes(learned).keys()


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (("preprocessing", "resize"), "resize=other 32"),
        (("score_data", "identity"), "score_data_identity=other "),
        (("data", "name"), "data=other digits"),
        (("versions", "torch"), "torch=other 2.15.0"),
    ],
)
def test_a_table_shows_what_its_rows_differ_in(learned, path, shown):
    records = [learned, changed(learned, path)]
    names = differing(records)
    rows = [record_row(record, differing=names) for record in records]
    assert rows[0] != rows[1]
    assert any(shown in row for row in rows)
    assert differing([learned, learned]) == []


def test_networks_may_differ_without_a_word(learned):
    other = changed(changed(learned, ("network", "name")), ("preprocessing", "resize"))
    assert differing([learned, other]) == []


def test_an_option_of_the_data_stands_for_its_hash(learned):
    other = changed(changed(learned, ("asked", "data", "limit")), ("data", "identity"))
    assert differing([learned, other]) == ["limit"]
    assert differing([learned, changed(learned, ("asked", "running", "batch_size"))]) == [
        "batch_size"
    ]
    dense = {**learned, "variant": None, "score_data": None}
    assert differing([learned, dense]) == []


def test_records_of_before_say_that_weights_were_ranked(learned):
    assert "tensors" not in learned["variant"]
    assert axes(learned)["tensors"] == "weight"
    other = copy.deepcopy(learned)
    other["variant"]["tensors"] = ["weight", "bias"]
    assert axes(other)["tensors"] == "weight,bias"
    assert "tensors=weight,bias" in method_text(other)
    assert "tensors" not in method_text(learned)
    assert record_key(other) != learned["key"]
