"""Several values in one text: lists, ranges in exact decimals, and words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network_prune.cli.several import split_numbers, split_words
from network_prune.errors import ArgumentError


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0.2", [0.2]),
        ("0.1,0.2", [0.1, 0.2]),
        (" 0.1 , .2 ", [0.1, 0.2]),
        ("0:0.5:0.1", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]),
        ("0.1:0.4:0.1", [0.1, 0.2, 0.3, 0.4]),
        ("0:0.5:0.2", [0.0, 0.2, 0.4]),
        ("0.5:0.2:-0.1", [0.5, 0.4, 0.3, 0.2]),
        ("0.3:0.3:0.1", [0.3]),
        ("0.9,0:0.2:0.1,1e-3", [0.9, 0.0, 0.1, 0.2, 0.001]),
    ],
)
def test_numbers(text, numbers):
    assert split_numbers("p_prune", text, float) == numbers


def test_whole_numbers():
    assert split_numbers("at", "10,20:50:10", int) == [10, 20, 30, 40, 50]


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (
            "many",
            float,
            r"p_prune='many' is no number; pass numbers with commas between them, or S",
        ),
        ("0.1,", float, r"p_prune='0.1,': '' is no number"),
        ("0.1,x,0.2", float, r"p_prune='0.1,x,0.2': 'x' is no number"),
        ("0.1,0:1", float, r"p_prune='0.1,0:1': '0:1' is no range; .* e.g. 0.1, 0.1,0.2 or 0:0.5"),
        ("0:1:0", float, r"'0:1:0' is no range"),
        ("0:1:-0.1", float, r"'0:1:-0.1' is no range"),
        ("1:0:0.1", float, r"'1:0:0.1' is no range; .*; STEP leads from START to STOP, in at mo"),
        ("0:0.05:-0.1", float, r"'0:0.05:-0.1' is no range"),
        ("0:1:0.1:2", float, r"'0:1:0.1:2' is no range"),
        ("0:inf:1", float, r"'0:inf:1' is no range"),
        ("nan:1:0.1", float, r"'nan:1:0.1' is no range"),
        ("0:1:1e-9", float, r"'0:1:1e-9' is no range; .*, in at most 100,000 numbers$"),
        ("0:1e999999:1e-999999", float, r"is no range"),
        ("1.5", int, r"'1.5' is no whole number; .* e.g. 1, 1,2 or 1:10:3"),
        ("1:2:0.5", int, r"'1:2:0.5' is no range"),
    ],
)
def test_what_is_no_number_is_named(text, kind, message):
    with pytest.raises(ArgumentError, match=message) as error:
        split_numbers("p_prune", text, kind)
    assert "\n" not in str(error.value)


@given(st.integers(0, 999), st.integers(1, 60), st.integers(1, 999), st.integers(0, 3))
def test_a_range_is_what_a_person_would_write(start, count, step, places):
    written = [f"{(start + n * step) / 10**places:.{places}f}" for n in range(count)]
    text = f"{written[0]}:{written[-1]}:{step / 10**places:.{places}f}"
    assert split_numbers("p_prune", text, float) == list(map(float, written))


def test_words():
    assert split_words("weights, neurons") == ["weights", "neurons"]


def variants(run, *arguments):
    outcome = run("eval", *arguments, "--limit", 4, "--no-dense", "--json")
    assert outcome.code == 0, outcome
    names = ("method", "p_prune", "p_bern", "score", "scope")
    found = [record["variant"] for record in json.loads(outcome.out)]
    return [tuple(variant[name] for name in names) for variant in found if variant]


def test_a_list_is_what_a_repeated_option_is(run):
    listed = ("-m", "weight,neurons", "-p", "0.1:0.3:0.1", "--score", "l1,random:7", "-b", "1")
    repeated = (
        *("--method", "weights", "--method", "neurons", "--score", "l1", "--score", "random:7"),
        *("--p-prune", "0.1", "--p-prune", "0.2", "--p-prune", "0.3", "--p-bern", "1"),
    )
    found = variants(run, *listed)
    assert found == variants(run, *repeated)
    assert [p_prune for _, p_prune, *_ in found[:3]] == [0.1, 0.2, 0.3]
    assert len(found) == 12


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("-p", "0.1,1.3"), "p_prune=1.3 is outside [0, 1]"),
        (("-p", "0:1"), "p_prune='0:1' is no range"),
        (("-m", "weights,neuron s"), "unknown method 'neuron s'; did you mean neurons"),
        (("--score", "l1,"), "score='' is no text; pass a name"),
        (("--scope", "layer,globe"), "unknown scope 'globe'; did you mean global"),
        (("-b", "0.5,-1"), "p_bern=-1.0 is outside [0, 1]"),
    ],
)
def test_a_wrong_value_among_several_is_named(refused, arguments, text):
    assert text in refused("eval", *arguments)


def test_patterns_and_paths_may_have_commas(refused):
    assert "unknown layer or pattern 'conv1,fc'" in refused("eval", "--include", "conv1,fc")
    assert "a,b.py" in refused("eval", "--arch", "a,b.py:net", "--data", "fake:2")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("inspect", "--p-prune", "0.1,0.2"), "--p-prune '0.1,0.2': "),
        (("eval", "-l", "ten"), "--limit 'ten': "),
        (("bench", "--repeats", "1:3:1"), "--repeats '1:3:1': "),
        (("bench", "--repeats", "0"), "--repeats '0': "),
    ],
)
def test_where_one_value_is_taken_another_one_is_named(refused, arguments, text):
    assert text in refused(*arguments)


def test_what_must_be_said_is_named(refused):
    assert "--to" in refused("export", "--out", "network.onnx")


def test_passes_of_transfer_are_whole_numbers(refused):
    line = refused("transfer", "--at", "10,2.5")
    assert "at='10,2.5': '2.5' is no whole number" in line
