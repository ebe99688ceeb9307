"""p_prune by layer and a floor in studies: plans, files, keys, tables and commands."""

import json

import pytest

import network_prune as npr
from network_prune.by_layer import ByLayer
from network_prune.errors import ArgumentError, SourceError
from network_prune.evaluation.variant import Network, Variant
from network_prune.options import GRID_OPTIONS, defaults
from network_prune.results.axes import axes
from network_prune.results.naming import method_text
from network_prune.study.plan import make_plan, overruled
from network_prune.study.plan_file import read_plan_file

SMALL = {"limit": 8, "batch_size": 8, "workers": 0, "method": "weights"}
FRACTIONS = {"layer4.*": 0.5, "*": 0.25}


def variants(plan):
    return plan.variants[Network("digits", "default")]


def shares(plan):
    return [v.p_prune if v.by_layer is None else dict(v.by_layer) for v in variants(plan)]


@pytest.fixture(scope="module")
def study():
    return npr.sweep({**SMALL, "p_prune": [0.25, FRACTIONS], "grids": [{}, {"floor": 0.1}]})


def test_a_plan_takes_mappings_among_numbers_and_files_beside_both(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text("layer4.*: 0.5\n'*': 0.25\n")
    assert shares(make_plan({"p_prune": [0.1, FRACTIONS]})) == [0.1, FRACTIONS]
    assert shares(make_plan({"p_prune_file": path})) == [FRACTIONS]
    assert shares(make_plan({"p_prune_file": [path, "{'*': 0.5}"]})) == [FRACTIONS, {"*": 0.5}]
    assert shares(make_plan({"p_prune": 0.1, "p_prune_file": path})) == [0.1, FRACTIONS]
    assert shares(make_plan({"p_prune": 0.1, "grids": [{"p_prune_file": path}]})) == [FRACTIONS]
    over = overruled({"p_prune": 0.1, "grids": [{"p_prune": 0.3}]}, {"p_prune_file": path})
    assert shares(make_plan(over)) == [FRACTIONS]
    assert shares(make_plan(overruled({"p_prune_file": path}, {"p_prune": 0.1}))) == [0.1]


def test_a_plan_file_reads_paths_as_they_are_written(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text("p_prune:\n  0.10: 0.1\n  on: 0.2\n  010: 0.3\n  '*': 0\n")
    assert shares(make_plan(read_plan_file(path))) == [
        {"0.10": 0.1, "on": 0.2, "010": 0.3, "*": 0.0}
    ]
    path.write_text("p_prune:\n  a: 0.1\n  a: 0.2\n")
    with pytest.raises(SourceError, match="line 3: a stands there twice"):
        read_plan_file(path)


def test_layers_that_are_ranked_for_themselves_have_no_scope_to_choose():
    plan = make_plan({"p_prune": FRACTIONS, "scope": ["global", "layer"]})
    assert [variant.scope for variant in variants(plan)] == ["layer"]
    with pytest.raises(
        ArgumentError, match="scope=alone prunes one layer at a time, and p_prune by"
    ):
        make_plan({"p_prune": FRACTIONS, "scope": "alone"})


def test_fractions_of_nothing_are_the_dense_network():
    plan = make_plan({"p_prune": {"*": 0.0}, "dense": False})
    assert variants(plan) == ()


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("- 0.3\n", ArgumentError, "f.yaml: it holds no fractions; write LAYER: FRACTION"),
        ("a: 0.3\na: 0.2\n", SourceError, "f.yaml line 2: a stands there twice"),
        ("a: 2\n", ArgumentError, "f.yaml: p_prune of 'a'=2 is outside"),
        ("a: {\n", SourceError, "f.yaml line 2: "),
        ("[a]: 1\n", SourceError, "f.yaml line 1: a path has to be text"),
    ],
)
def test_a_file_that_holds_no_fractions_is_refused_by_name_and_line(tmp_path, text, error, message):
    path = tmp_path / "f.yaml"
    path.write_text(text)
    with pytest.raises(error, match=message):
        make_plan({"p_prune_file": path})


def test_a_file_that_cant_be_read_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"cannot read p_prune_file .*none.yaml: No such file"):
        make_plan({"p_prune_file": tmp_path / "none.yaml"})
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="it is no UTF-8 text"):
        make_plan({"p_prune_file": tmp_path / "bytes"})
    with pytest.raises(SourceError, match="p_prune_file line 1: "):
        make_plan({"p_prune_file": "{a: "})


def test_what_isnt_asked_for_isnt_in_the_key():
    """Records of earlier versions, which know no such options, keep their keys."""
    plain = Variant.of({**defaults(GRID_OPTIONS), "method": "weights", "p_prune": 0.2} | ONE)
    assert {"floor", "by_layer", "p_prune_file"}.isdisjoint(plain.to_dict())
    assert plain.at(floor=0.1).to_dict() == {**plain.to_dict(), "floor": 0.1}
    assert json.loads(json.dumps(plain.at(by_layer=ByLayer({"a": 0.5})).to_dict()))["by_layer"] == {
        "a": 0.5
    }


ONE = {"p_bern": 1.0, "score": "l1", "scope": "global"}


def test_records_hold_each_layers_fraction_and_their_mean(study):
    record = study[2]
    layers = record["realised"]["layers"]
    expected = {row["name"]: 0.5 if "layer4" in row["name"] else 0.25 for row in layers}
    assert record["variant"]["by_layer"] == expected
    total = sum(expected[row["name"]] * row["elements"] for row in layers)
    assert record["variant"]["p_prune"] == pytest.approx(total / record["realised"]["elements"])
    assert all(r["pruned"] == int(expected[r["name"]] * r["elements"]) for r in layers)


def test_the_fractions_are_in_the_key_and_how_they_were_written_isnt(study, tmp_path):
    written = {**study[2]["variant"]["by_layer"]}
    (tmp_path / "f").write_text(json.dumps(dict(reversed(written.items()))))
    same = npr.sweep({**SMALL, "p_prune_file": tmp_path / "f"})
    assert same[1]["key"] == study[2]["key"]
    other = npr.sweep({**SMALL, "p_prune": {**written, "conv1.0": 0.5}})
    assert other[1]["key"] != study[2]["key"]
    assert len({record["key"] for record in study}) == len(study) == 5


def test_tables_name_the_fractions_and_the_floor(study):
    texts = [method_text(record) for record in study]
    short = axes(study[2])["by_layer"]
    assert texts == [
        "dense",
        "weights",
        f"weights by_layer={short}",
        "weights floor=0.1",
        f"weights by_layer={short} floor=0.1",
    ]
    assert len(study.where(f"by_layer={short}")) == 2
    assert [axes(record)["floor"] for record in study] == [None, 0.0, 0.0, 0.1, 0.1]
