"""Records in which anything is exchanged or missing are refused, or shown; never a traceback."""

import copy
import json
from pathlib import Path

import pytest

from network_prune.errors import NetworkPruneError, SourceError
from network_prune.reports.tables import record_row, warning_lines
from network_prune.results.axes import differing
from network_prune.results.command import commands
from network_prune.results.comparing.sets import sets_of
from network_prune.results.records import STUDY, check_records, read_records
from network_prune.results.series.landing import landings
from network_prune.results.study import Study, load_study
from tests.exchanged_parts import VALUES, exchanged, places

RECORDS = [
    json.loads(line)
    for line in Path(__file__).with_name("schema-1.jsonl").read_text().splitlines()[:3]
]


def refused(call, argument):
    """What a call is refused with, nothing if it isn't; anything but our own error goes on."""
    try:
        call(argument)
    except NetworkPruneError as error:
        return str(error)
    return ""


def show(entries):
    """Everything that is made of records without their outcomes."""
    study = Study(check_records(entries, Path("a.json")))
    lines = [record_row(record, differing=differing(study)) for record in study]
    lines += [*warning_lines(study), *commands(study), repr(study), study._repr_html_()]
    lines += [each.label for each in sets_of(study)]
    study.rows()
    study.where("method=weights")
    return lines


@pytest.mark.parametrize("name", VALUES)
def test_anything_may_be_exchanged_in_a_record(name):
    dense, pruned, other = RECORDS
    assert show(copy.deepcopy(RECORDS))
    for place in places(pruned):
        if place[:2] == ("pruning", "layers") and len(place) > 2:
            continue  # layers are read where they are drawn
        entries = [dense, exchanged(pruned, place, VALUES[name]), other]
        told = refused(show, entries)
        assert "\n" not in told, place
        assert len(told) < 1000, place


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"schema":' * 2000,
        b"9" * 5000,
        b'{"schema": ' + b"9" * 5000 + b"}",
        b"\xff\xfe\0",
        b"\xef\xbb\xbf{}",
        b"NaN",
        b"null",
        b'"text"',
        b"{}",
        b"\0" * 100,
        b"[{}]",
        b'[{"schema": 2}]',
        b'[{"schema": [[[[]]]]}]',
    ],
    ids=lambda content: content[:12].decode("latin-1"),
)
def test_files_of_anything_hold_no_records(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.json"):
        load_study(tmp_path / "a.json")
    (tmp_path / "records.jsonl").write_bytes(content + b"\n")
    told = refused(lambda folder: show(read_records(folder)[0]), tmp_path)
    assert len(told) < 1000


@pytest.mark.parametrize(
    "layer", [None, 3, {}, {"name": "a", "elements": 0, "prunable": 0, "pruned": 0}]
)
def test_layers_of_anything_are_refused_where_they_are_drawn(layer):
    entries = [{**each, "pruning": {**each["pruning"], "layers": [layer]}} for each in RECORDS[1:]]
    with pytest.raises(SourceError, match="doesn't say of its layers what sweep writes"):
        landings(check_records(entries, Path("a.json")))


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("variant", "fold", {"a": 1}),
        ("variant", "index", 2**64),
        ("variant", "seed", -1),
        ("realised", "newly_zeroed", 10**300),
        ("realised", "silenced", [1]),
        ("metrics", "ties", 10**300),
        ("difference", "gained1", 2**63),
    ],
)
def test_numbers_no_table_holds_and_nested_values_are_refused(part, name, value):
    record = STUDY.modern(copy.deepcopy(RECORDS[1]))
    assert check_records([record], Path("a.json"))
    record[part][name] = value
    record["key"] = STUDY.key(record)
    with pytest.raises(SourceError, match="entry 1: it is no record"):
        check_records([record], Path("a.json"))
