"""Errors show what was passed, a large value by its ends alone."""

import time

import pytest

from network_prune import NetworkPruneError
from network_prune.errors import brief, check_fraction, failure_text, one_line, unknown_name
from network_prune.option_checks import LONGEST, number, text, whole


class Large:
    def __repr__(self):
        return "x" * 2_000_000


def laughs(levels=9):
    found = ["lol"] * 9
    for _ in range(levels):
        found = [found] * 9
    return found


HUGE = (10**5000, laughs(), "x" * 2_000_000, {"a": laughs()}, Large(), b"x" * 1_000_000)


@pytest.mark.parametrize("value", [0.5, 7, True, None, "it's", ["a", "b"], {"a": {"b": 1}}, (1,)])
def test_values_of_usual_size_are_shown_whole(value):
    assert brief(value) == repr(value)


@pytest.mark.parametrize("value", HUGE, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("check", [check_fraction, number, text, whole(1), whole(0, 5)])
def test_values_of_any_size_are_refused_at_once_and_shortened(check, value):
    start = time.perf_counter()
    with pytest.raises(NetworkPruneError, match="draws=") as raised:
        check("draws", value)
    assert time.perf_counter() - start < 30
    assert len(str(raised.value)) < 1000


def test_a_name_has_no_nul_and_a_length():
    assert text("data", "x" * LONGEST)
    for name in ("a\0b", "x" * (LONGEST + 1)):
        with pytest.raises(NetworkPruneError, match="is no name; pass at most 1048576 characters"):
            text("data", name)


def test_whole_numbers_have_the_limit_that_they_are_declared_with():
    assert whole(0, 5)("workers", 5) == 5
    with pytest.raises(NetworkPruneError, match="workers=6 is too large; pass at most 5"):
        whole(0, 5)("workers", 6)


def test_long_lines_lose_their_middle():
    long = NetworkPruneError("start " + "x " * 1_000_000 + "end")
    for line in (failure_text(long), one_line(long, limit=10_000)):
        assert len(line) < 5000
        assert line.endswith("end")
        assert "start x x" in line


def test_long_names_are_like_none():
    start = time.perf_counter()
    assert "unknown score 'xxx" in unknown_name("score", "x" * LONGEST, ["l1"] * 1000)
    assert time.perf_counter() - start < 30
