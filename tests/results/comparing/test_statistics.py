"""Tests and intervals equal slow versions, scipy's, and cover what they promise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from network_prune.evaluation.metrics import wilson_interval
from network_prune.evaluation.paired import matched_interval
from network_prune.results.comparing.statistics import (
    holm,
    images_needed,
    mcnemar,
    smallest_difference,
    two_way,
    two_way_p,
    two_way_rate,
    two_way_test,
)
from tests import oracle

COUNTS = st.integers(0, 400)


@given(COUNTS, COUNTS)
def test_mcnemar_is_the_binomial_test_of_scipy(gained, lost):
    expected = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert mcnemar(gained, lost) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(gained, lost) == pytest.approx(oracle.mcnemar(gained, lost), rel=1e-9)


def test_mcnemar_takes_arrays_and_many_images():
    gained, lost = np.array([0, 5, 6, 20_000.0]), np.array([0, 0, 0, 20_400.0])
    found = mcnemar(gained, lost)
    assert found[:3].tolist() == [1.0, 2 / 2**5, 2 / 2**6]
    assert found[3] == pytest.approx(stats.binomtest(20_000, 40_400).pvalue, rel=1e-9)


@given(st.lists(st.floats(0, 1), max_size=30))
def test_holm_is_the_slow_one(ps):
    assert holm(ps).tolist() == pytest.approx(oracle.holm(ps))


def test_holm_worked_by_hand():
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]


def test_the_smallest_difference_worked_by_hand():
    # 10 % of 10,000 change: (1.96 · √0.1 + 0.8416 · √(0.1 − d²)) / 100 = d at d = 0.00886, and
    # an image more.
    assert smallest_difference(0.1, 10_000) == pytest.approx(0.896, abs=1e-3)
    # Nothing changed: 7.85 images one way, as many as are 6 or more in 4 of 5 cases, and one.
    assert smallest_difference(0.0, 50_000) == pytest.approx(100 * 8.85 / 50_000, rel=1e-3)
    assert smallest_difference(0.0, 6) == 100.0
    assert math.isnan(smallest_difference(1.0, 5))
    assert math.isnan(smallest_difference(0.0, 0))


@given(st.integers(6, 100_000), st.floats(0, 1))
def test_the_smallest_difference_is_one_that_the_exact_test_allows(n, share):
    found = smallest_difference(share, n)
    assert 600 / n - 1e-9 <= found <= 100
    assert mcnemar(round(found * n / 100), 0) < 0.05
    assert found >= smallest_difference(share / 2, n)


@pytest.mark.parametrize(("share", "n"), [(0.135, 200), (0.1, 500), (0.02, 2000), (0.0, 1000)])
def test_the_smallest_difference_shows_in_about_4_of_5_cases(share, n):
    generator = np.random.default_rng(0)
    difference = smallest_difference(share, n) / 100
    share = max(share, difference)
    chances = [(share + difference) / 2, (share - difference) / 2, 1 - share]
    drawn = generator.multinomial(n, chances, size=4000)
    power = (mcnemar(drawn[:, 0], drawn[:, 1]) <= 0.05).mean()
    assert 0.78 < power < 0.88


@given(st.floats(0.01, 100), st.floats(0, 1))
def test_the_images_needed_are_the_fewest_that_show_the_difference(difference, share):
    n = images_needed(difference, share)
    assert smallest_difference(share, n) <= difference
    assert n == 6 or smallest_difference(share, n - 1) > difference
    assert images_needed(-difference, share) == n


def test_the_images_needed_worked_by_hand():
    # Connor: (1.96 · √0.2 + 0.8416 · √(0.2 − 0.05²))² / 0.05² = 625, and an image more of
    # difference, which takes some more images.
    assert images_needed(5.0, 0.2) == pytest.approx(625, rel=0.08)
    assert images_needed(0.0, 0.2) == math.inf
    assert math.isnan(images_needed(math.nan, 0.2))
    assert images_needed(100.0, 1.0) < 20


@pytest.mark.parametrize(("difference", "share"), [(2.0, 0.3), (5.0, 0.1), (10.0, 0.3)])
def test_so_many_images_as_needed_show_the_difference_in_about_4_of_5_cases(difference, share):
    n = images_needed(difference, share)
    chances = [(share + difference / 100) / 2, (share - difference / 100) / 2, 1 - share]
    drawn = np.random.default_rng(0).multinomial(n, np.maximum(chances, 0), size=4000)
    power = (mcnemar(drawn[:, 0], drawn[:, 1]) <= 0.05).mean()
    assert 0.78 < power < 0.9


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_two_way_rate_of_one_draw_is_wilsons(hits, misses):
    found = two_way_rate(hits + misses, hits, hits, 0.0, 1)
    assert found == pytest.approx(wilson_interval(hits, hits + misses), nan_ok=True)


@pytest.mark.parametrize(("m", "effect"), [(2, 0.1), (3, 0.3), (5, 0.0)])
def test_the_two_way_rate_covers_when_draws_and_images_vary(m, effect):
    generator = np.random.default_rng(4)
    covered, runs, n = 0, 400, 150
    for _ in range(runs):
        (hits,) = simulated(generator, n=n, draws=(m,), effects=(effect,))
        shares, rates = hits.mean(axis=0), hits.mean(axis=1)
        square = float((shares**2).sum())
        low, high = two_way_rate(n, float(shares.sum()), square, float(rates.var(ddof=1)), m)
        covered += low <= 50 <= high
    assert covered / runs >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / runs)


HITS = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        *[st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=1, max_size=4)] * 2
    )
)


def sums(one, other):
    one, other = np.array(one), np.array(other)
    change = one.mean(axis=0) - other.mean(axis=0)
    variances = [x.mean(axis=1).var(ddof=1) if len(x) > 1 else 0.0 for x in (one, other)]
    gained = float((one.mean(axis=0) * (1 - other.mean(axis=0))).sum())
    changed = gained, gained - float(change.sum())
    return len(change), changed, (change**2).sum(), variances, (len(one), len(other))


@settings(max_examples=75)
@given(HITS)
def test_the_two_way_interval_is_the_slow_one(hits):
    test = two_way_test(*sums(*hits))
    interval, p = oracle.two_way(*hits)
    assert test.interval == pytest.approx(interval, abs=1e-9)
    assert test.p == pytest.approx(p, rel=1e-5)
    difference = 100 * float(np.mean(hits[0]) - np.mean(hits[1]))
    assert test.interval[0] - 1e-9 <= difference <= test.interval[1] + 1e-9
    assert test.p >= 0.05 or test.interval[0] > 0 or test.interval[1] < 0


@given(HITS)
def test_a_difference_is_the_other_ones_mirrored(hits):
    one, other = two_way_test(*sums(*hits)), two_way_test(*sums(*hits[::-1]))
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]))
    assert (one.p, one.smallest) == pytest.approx((other.p, other.smallest), nan_ok=True)


def test_with_one_draw_each_and_many_images_it_is_the_matched_interval():
    test = two_way_test(100_000, (40, 90), 40 + 90, (0.0, 0.0), (1, 1))
    assert test.interval == pytest.approx(matched_interval(40, 90, 100_000), rel=1e-4)


def test_no_images_give_nan():
    test = two_way_test(0, (0, 0), 0, (0, 0), (3, 1))
    assert (test.p, math.isnan(test.interval[0]), math.isnan(test.smallest)) == (1.0, True, True)


def simulated(generator, *, n, draws, effects):
    """Hits of two sets with random effects of draws, images and both, and equal means."""
    images = generator.normal(0, 1.0, n)
    for of_draws, m in zip(effects, draws, strict=True):
        latent = images + generator.normal(0, of_draws, (m, 1)) + generator.normal(0, 0.5, (m, n))
        yield latent > 0


@pytest.mark.parametrize(
    ("draws", "effects"),
    [((3, 3), (0.1, 0.1)), ((5, 3), (0.4, 0.4)), ((2, 8), (0.0, 0.0)), ((4, 4), (0.3, 0.05))],
)
def test_intervals_cover_when_draws_and_images_vary(draws, effects):
    generator = np.random.default_rng(1)
    covered, runs = 0, 400
    for _ in range(runs):
        one, other = simulated(generator, n=150, draws=draws, effects=effects)
        low, high = two_way_test(*sums(one, other)).interval
        covered += low <= 0 <= high
    # Below 0.95 by more than 3 standard errors would be too few.
    assert covered / runs >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / runs)


@pytest.mark.parametrize(("m", "effect"), [(2, 0.05), (2, 0.2), (3, 0.1)])
def test_two_or_three_draws_beside_one_network_are_not_taken_for_sure(m, effect):
    """Where draws agree by chance, images alone would leave too little open."""
    generator = np.random.default_rng(3)
    wrong, runs = 0, 400
    for _ in range(runs):
        one, other = simulated(generator, n=2000, draws=(m, 1), effects=(effect, 0.0))
        wrong += two_way_test(*sums(one, other)).p < 0.05
    assert wrong / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_the_same_images_counted_twice_prove_no_more():
    one, other = np.ones((1, 100), bool), np.ones((1, 100), bool)
    one[0, :5] = False
    twice = two_way_test(*sums(np.repeat(one, 2, axis=0), other))
    assert twice.p == mcnemar(0, 5) == 0.0625


def test_draws_widen_the_interval():
    generator = np.random.default_rng(2)
    one, other = simulated(generator, n=2000, draws=(3, 3), effects=(0.5, 0.5))
    low, high = two_way_test(*sums(one, other)).interval
    n, changed, square, _, draws = sums(one, other)
    fixed = two_way_test(n, changed, square, (0.0, 0.0), draws).interval
    assert high - low > 2 * (fixed[1] - fixed[0])


def test_many_are_tested_at_once_as_one_by_one():
    n, m = 50, np.array([1, 2, 5])
    gained, lost = np.array([4.0, 2, 1]), np.array([1.0, 6, 1])
    square, variances = np.array([5.0, 9, 0]), np.array([0, 0.01, 0])
    found = two_way_p(two_way(n, gained - lost, square, (variances, 0.0), (m, 1)), gained, lost)
    alone = [
        two_way_test(n, changed, s, (v, 0.0), (d, 1)).p
        for *changed, s, v, d in zip(gained, lost, square, variances, m.tolist(), strict=True)
    ]
    assert found.tolist() == pytest.approx(alone)
