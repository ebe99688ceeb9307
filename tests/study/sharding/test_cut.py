"""Cutting a study: each cell once, and shards that cost about the same."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network_prune.study.sharding.cut import Work, cut

works = st.builds(
    Work,
    variants=st.integers(0, 9),
    has_dense=st.just(True),
    batches=st.integers(1, 12),
    cost=st.floats(0.1, 100),
) | st.builds(
    Work,
    variants=st.integers(1, 9),
    has_dense=st.just(False),
    batches=st.integers(1, 12),
    cost=st.floats(0.1, 100),
)


@given(st.lists(works, min_size=1, max_size=5), st.integers(1, 20))
def test_each_cell_is_some_shard_s_once(works, shards):
    pieces = [piece for shard in cut(works, shards) for piece in shard]
    cells = [
        (piece.work, variant, batch)
        for piece in pieces
        for variant in (piece.variants if works[piece.work].variants else ["dense"])
        for batch in piece.batches
    ]
    expected = {
        (place, variant, batch)
        for place, work in enumerate(works)
        for variant in (range(work.variants) if work.variants else ["dense"])
        for batch in range(work.batches)
    }
    assert len(cells) == len(expected)
    assert set(cells) == expected


def random_plan(chance):
    """Return the networks and the number of shards of a plan with 20 passes a shard or more."""
    while True:
        shards = chance.randint(1, 64)
        works = [
            Work(
                chance.randint(1, 60),
                chance.random() < 0.8,
                chance.randint(1, 400),
                10 ** chance.uniform(-1, 2),
            )
            for _ in range(chance.randint(1, 40))
        ]
        share = sum(work.whole_cost for work in works) / shards
        if share >= 20 * max(work.cost for work in works):
            return works, shards


def test_the_longest_shard_of_a_thousand_plans_is_little_longer_than_the_mean():
    chance = random.Random(0)
    worst, extra = 0.0, 0.0
    for _ in range(1000):
        works, shards = random_plan(chance)
        costs = [sum(p.cost(works[p.work]) for p in pieces) for pieces in cut(works, shards)]
        needed = sum(work.whole_cost for work in works)
        worst = max(worst, max(costs) / (needed / shards))
        extra = max(extra, sum(costs) / needed)
    assert worst <= 1.1
    assert extra <= 1.05  # passes of the dense network that two shards have both


@pytest.mark.parametrize("shards", [1, 2, 7])
def test_a_single_network_is_cut_at_batches_where_there_are_many(shards):
    for pieces in cut([Work(50, True, 1000)], shards):
        (piece,) = pieces
        assert piece.variants == range(50)


def test_a_shard_has_few_of_many_networks():
    shards = cut([Work(50, True, 1563)] * 1000, 64)
    assert max(len({piece.work for piece in pieces}) for pieces in shards) <= 1000 / 64 + 2
