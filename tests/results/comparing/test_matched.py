"""Sums over two sets of draws equal slow ones; draws in pairs are tested by their differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from network_prune.results.comparing.matched import matched, matched_by_draw
from network_prune.results.comparing.statistics import mcnemar

BITS = st.tuples(st.integers(1, 4), st.integers(1, 12), st.integers(0, 2**32 - 1))


def hits(draws, n, seed, *, sets=2):
    random = np.random.default_rng(seed)
    return [random.random((draws, n)) < 0.5 for _ in range(sets)]


@given(BITS)
def test_draws_in_pairs_are_summed_pair_by_pair(shape):
    one, other = hits(*shape)
    found = matched_by_draw(one, other)
    pairs = list(zip(one, other, strict=True))
    assert found.gained == pytest.approx(np.mean([(a & ~b).sum() for a, b in pairs]))
    assert found.lost == pytest.approx(np.mean([(b & ~a).sum() for a, b in pairs]))
    change = np.mean([a.astype(float) - b for a, b in pairs], axis=0)
    assert found.square == pytest.approx((change**2).sum())
    rates = [a.mean() - b.mean() for a, b in pairs]
    variance = np.var(rates, ddof=1) if len(rates) > 1 else 0
    assert found.variances == pytest.approx((variance, 0))


@given(BITS)
def test_one_draw_each_is_the_exact_test_either_way(shape):
    one, other = hits(1, *shape[1:])
    found = matched(one, other)
    assert found == matched_by_draw(one, other)
    assert found.test.p == mcnemar(found.gained, found.lost)


def test_draws_that_go_up_and_down_together_say_more_in_pairs():
    random = np.random.default_rng(0)
    images, of_draw = random.normal(size=400), np.array([[-0.8], [0.8]])
    noise = random.normal(0, 0.1, (2, 400))
    other = images + of_draw > 0.3
    one = images + of_draw + noise > 0
    apart, together = (each(one, other).test for each in (matched, matched_by_draw))
    assert together.p < 0.1 < apart.p
    widths = [each.interval[1] - each.interval[0] for each in (apart, together)]
    assert widths[1] < widths[0] / 2


def test_the_test_of_pairs_keeps_its_level():
    random, wrong, runs = np.random.default_rng(1), 0, 400
    for _ in range(runs):
        images, of_draw = random.normal(size=200), random.normal(0, 0.3, (3, 1))
        one, other = (images + of_draw + random.normal(0, 0.5, (3, 200)) > 0 for _ in range(2))
        wrong += matched_by_draw(one, other).test.p < 0.05
    assert wrong / runs <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5
