"""Records that are gone through one by one are those that a Study holds all at once."""

import json

import pytest

from network_prune import load_study, sweep
from network_prune.cli.output import hand_over, print_each
from network_prune.errors import ArgumentError
from network_prune.reports.tables import Warnings, warning_lines
from network_prune.results.axes import differing
from network_prune.results.rows import flat_row
from network_prune.results.streamed import stream


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two runs that differ in an option without a column in tables, the second joined on."""
    out = tmp_path_factory.mktemp("streamed")
    plan = {"method": "weights", "limit": 8, "p_prune": [0.2, 0.5], "p_bern": 0.5, "draws": 2}
    sweep(plan, out=out / "a")
    sweep({**plan, "batch_size": 4}, out=out / "b")
    with (out / "a" / "records.jsonl").open("ab") as file:
        file.write((out / "b" / "records.jsonl").read_bytes())
    return out / "a"


CONDITIONS = [
    (),
    ("p_prune=0.5",),
    ("p_prune=0.5", "batch_size=4"),
    ("batch_size=64", "method=weights", "index=1"),
    ("method=neurons",),
]


@pytest.mark.parametrize("conditions", CONDITIONS)
def test_streamed_records_are_those_of_a_study(folder, conditions):
    streamed, study = stream(folder).where(*conditions), load_study(folder).where(*conditions)
    assert list(streamed) == list(streamed) == study
    assert len(streamed) == len(study)
    assert list(streamed.rows()) == study.rows()
    assert differing(streamed.heads) == differing(study)
    found = Warnings()
    for record in streamed:
        found.add(record)
    assert found.lines() == warning_lines(study)


def test_conditions_narrow_what_others_chose(folder):
    both = stream(folder).where("p_prune=0.5").where("batch_size=4")
    assert list(both) == load_study(folder).where("p_prune=0.5", "batch_size=4")
    assert differing(stream(folder).heads) == ["batch_size"]
    assert differing(both.heads) == []


@pytest.mark.parametrize("condition", ["p_prune", "p_prun=1", "p_prune=x"])
def test_no_condition_is_refused_alike(folder, condition):
    told = []
    for source in (stream(folder), load_study(folder)):
        with pytest.raises(ArgumentError) as refused:
            source.where(condition)
        told.append(str(refused.value))
    assert told[0] == told[1]


def test_a_file_of_json_is_streamed_as_a_folder(folder, tmp_path, capsys):
    print_each(stream(folder))
    text = capsys.readouterr().out
    (tmp_path / "a.json").write_text(text)
    assert list(stream(tmp_path / "a.json")) == json.loads(text) == load_study(folder)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_list_is_printed_item_by_item_as_at_once(capsys, count):
    items = [{"a": [number, "line\n"], "b\x7f": {}} for number in range(count)]
    hand_over(items, as_json=True, path=None)
    at_once = capsys.readouterr().out
    print_each(iter(items))
    assert capsys.readouterr().out == at_once


def test_each_column_of_a_row_can_be_named_alone(folder):
    records = list(stream(folder))
    rows = [flat_row(record) for record in records]
    for name in rows[0]:
        for value in {row[name] for row in rows} - {None}:
            found = [record["key"] for record in stream(folder).where(f"{name}={value}")]
            assert found == [row["key"] for row in rows if row[name] == value], name
