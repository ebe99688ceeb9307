"""Tie groups equal those of a loop over pairs, and large studies take no time."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from network_prune.evaluation.outcomes import LEFT_OUT, RIGHT_AT_1, Outcomes
from network_prune.results.comparing.sets import RecordSet
from network_prune.results.comparing.ties import _letter, tie_groups
from network_prune.results.study import Study
from tests import oracle


class Made(Study):
    """A study whose outcomes are given."""

    def __init__(self, codes):
        super().__init__(
            {
                "key": str(index),
                "place": index,
                "variant": {"seed": 0, "index": index},
                "data": {"images": "same"},
                "metrics": {"n": len(code), "acc1": 100 * float(np.mean(code == RIGHT_AT_1))},
            }
            for index, code in enumerate(codes)
        )
        self.codes = codes

    def outcomes(self, record):
        return Outcomes(self.codes[record["place"]].tobytes())


def made_sets(hits):
    sets = []
    for each in hits:
        study = Made(np.array(each, np.uint8) * RIGHT_AT_1)
        sets.append(RecordSet(study, list(study)))
    return sets


@st.composite
def grids(draw):
    n = draw(st.integers(8, 60))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    hardness = generator.random(n)
    sizes = draw(st.lists(st.tuples(st.integers(1, 4), st.floats(0, 1)), min_size=1, max_size=7))
    noise = draw(st.sampled_from([0.0, 0.05, 0.3]))
    return [(hardness + generator.normal(0, noise, (m, n)) < level).tolist() for m, level in sizes]


@settings(max_examples=100)
@given(grids())
def test_groups_are_those_of_a_loop_over_pairs(hits):
    letters = tie_groups(made_sets(hits))
    assert letters == [_letter(group) for group in oracle.tie_groups(hits)]


def test_groups_worked_by_hand():
    # 6 images lost alone show (p = 0.03), 5 don't (0.06).
    rows = [[[True] * 20], [[False] * 5 + [True] * 15], [[False] * 6 + [True] * 14]]
    assert tie_groups(made_sets(rows[::2])) == ["a", "b"]
    assert tie_groups(made_sets(rows[:2])) == ["a", "a"]
    # Of two comparisons 0.03 is 0.06 by Holm.
    assert tie_groups(made_sets(rows)) == ["a", "a", "a"]
    assert tie_groups([]) == []


def test_images_left_out_by_one_are_left_out_for_all():
    good, bad = np.full(20, RIGHT_AT_1), np.full(20, RIGHT_AT_1)
    bad[:8] = 0
    third = np.full(20, RIGHT_AT_1)
    third[:8] = LEFT_OUT
    sets = []
    for code in (good, bad, third):
        study = Made([code.astype(np.uint8)])
        sets.append(RecordSet(study, list(study)))
    assert tie_groups(sets[:2]) == ["a", "b"]
    assert tie_groups(sets) == ["a", "a", "a"]
    third[:] = LEFT_OUT
    study = Made([third.astype(np.uint8)])
    assert tie_groups([sets[0], RecordSet(study, list(study))]) == ["a", "a"]


def test_letters_go_on_behind_z():
    assert [_letter(place) for place in (0, 25, 26, 27, 52, 702)] == [
        "a", "z", "aa", "ab", "ba", "aaa",
    ]  # fmt: skip


@pytest.mark.parametrize(("count", "n"), [(3000, 500), (200, 50_000)])
def test_large_studies_take_no_time(count, n):
    generator = np.random.default_rng(0)
    hardness = generator.random(n)
    hits = [[hardness + generator.normal(0, 0.02, n) < level] for level in np.linspace(0, 1, count)]
    sets = made_sets(hits)
    start = time.process_time()
    letters = tie_groups(sets)
    assert time.process_time() - start < 30  # 1 second where nothing else runs
    assert letters[-1] == "a"
    assert len(set(letters)) > 5
