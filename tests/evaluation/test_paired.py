"""Paired differences follow from integer counts, and their intervals from the papers' formulas."""

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from network_prune.evaluation.mean import Mean, excludes_zero
from network_prune.evaluation.metrics import Metrics, Samples, measure, measure_samples
from network_prune.evaluation.paired import Paired, compare, matched_interval

LOGITS = st.lists(
    st.sampled_from([-1.0, 0.0, 0.25, 2.0, math.nan, math.inf]), min_size=7, max_size=7
)
PAIRS = st.lists(st.tuples(LOGITS, LOGITS, st.integers(0, 6)), min_size=1, max_size=10)


def paired_of(pairs):
    variant, dense, labels = (list(column) for column in zip(*pairs, strict=True))
    labels = torch.tensor(labels)
    return compare(
        measure_samples(torch.tensor(variant), labels), measure_samples(torch.tensor(dense), labels)
    )


def slow_interval(gained: int, lost: int, n: int) -> tuple[float, float]:
    """Add 1/2 to each cell of the table of proportions, then the Wald interval of the paper."""
    cells = {"both": 0.0, "gained": gained, "lost": lost, "neither": 0.0}
    cells["both"] = n - gained - lost  # how these two share the rest makes no difference
    cells = {name: count + 0.5 for name, count in cells.items()}
    total = sum(cells.values())
    p12, p21 = cells["gained"] / total, cells["lost"] / total
    half = norm.ppf(0.975) * math.sqrt((p12 + p21 - (p12 - p21) ** 2) / total)
    return (100 * max(-1, p12 - p21 - half), 100 * min(1, p12 - p21 + half))


def test_samples_add_up_to_what_measure_gives():
    logits = torch.randn(30, 9, generator=torch.Generator().manual_seed(0))
    logits[4, 2] = math.nan
    labels = torch.arange(30) % 9
    samples = measure_samples(logits, labels)
    assert samples.total() == measure(logits, labels)
    assert [place for place, loss in enumerate(samples.losses) if loss is None] == [4]
    alone = [measure(logits[i : i + 1], labels[i : i + 1]) for i in range(30)]
    assert [m.hits1 for m in alone] == list(samples.hits1)
    assert [m.hits5 for m in alone] == list(samples.hits5)
    assert sum(alone, Metrics()) == samples.total()


def test_counts_and_figures_worked_by_hand():
    unit = 2**32
    dense = Samples(
        (True, True, False, False), (True, True, True, False), (unit,) * 4, (False,) * 4
    )
    variant = Samples(
        (False, False, True, False),
        (True, False, True, False),
        (2 * unit, 4 * unit, unit, unit),
        (False,) * 4,
    )
    paired = compare(variant, dense)
    assert (paired.n, paired.gained1, paired.lost1, paired.gained5, paired.lost5) == (4, 1, 2, 0, 1)
    assert paired.acc1_difference == -25.0
    assert paired.acc5_difference == -25.0
    # Differences 1, 3, 0, 0: mean 1, variance (0 + 4 + 1 + 1) / 3 = 2, over sqrt(4).
    assert paired.loss_difference == 1.0
    half = 1.959963984540054 * math.sqrt(2.0) / 2
    assert paired.loss_interval == pytest.approx((1 - half, 1 + half), abs=1e-9)


def test_interval_worked_by_hand():
    # 1 gained and 4 lost of 10: centre -3/12, half 1.96 · sqrt(6 - 9/12) / 12.
    low, high = matched_interval(1, 4, 10)
    assert (low, high) == pytest.approx((-62.4237, 12.4237), abs=1e-3)


def test_nothing_changed_still_has_width():
    # Half 1.96 · sqrt(1) / 102 around 0.
    assert matched_interval(0, 0, 100) == pytest.approx((-1.92153, 1.92153), abs=1e-4)


@given(st.integers(1, 400), st.data())
def test_interval_is_the_papers_and_holds_the_difference(n, data):
    gained = data.draw(st.integers(0, n))
    lost = data.draw(st.integers(0, n - gained))
    found = matched_interval(gained, lost, n)
    assert found == pytest.approx(slow_interval(gained, lost, n), abs=1e-9)
    assert found[0] <= 100 * (gained - lost) / n <= found[1]
    mirrored = matched_interval(lost, gained, n)
    assert found == pytest.approx((-mirrored[1], -mirrored[0]), abs=1e-12)


@given(PAIRS)
def test_counts_equal_a_loop_over_images(pairs):
    paired = paired_of(pairs)
    difference1 = difference5 = bad = 0
    losses = []
    for variant, dense, label in pairs:
        one, other = (measure(torch.tensor([x]), torch.tensor([label])) for x in (variant, dense))
        difference1 += one.hits1 - other.hits1
        difference5 += one.hits5 - other.hits5
        bad += one.non_finite or other.non_finite
        losses.append(one.loss_sum - other.loss_sum)
    assert (paired.n, paired.non_finite) == (len(pairs), bad)
    assert paired.acc1_difference == pytest.approx(100 * difference1 / len(pairs))
    assert paired.acc5_difference == pytest.approx(100 * difference5 / len(pairs))
    if bad:
        assert math.isnan(paired.loss_difference)
        assert paired.to_dict()["loss_difference"] is None
    else:
        assert paired.loss_sum == sum(losses)
        assert paired.loss_square_sum == sum(loss * loss for loss in losses)


@given(PAIRS, st.integers(0, 10))
def test_shards_add_up_to_the_last_bit(pairs, cut):
    parts = [paired_of(part) for part in (pairs[:cut], pairs[cut:]) if part]
    assert sum(parts, Paired()) == paired_of(pairs)


def test_differences_are_those_of_the_two_metrics():
    generator = torch.Generator().manual_seed(5)
    variant, dense = torch.randn(2, 40, 8, generator=generator)
    labels = torch.arange(40) % 8
    paired = compare(measure_samples(variant, labels), measure_samples(dense, labels))
    one, other = measure(variant, labels), measure(dense, labels)
    assert paired.acc1_difference == pytest.approx(one.acc1 - other.acc1)
    assert paired.acc5_difference == pytest.approx(one.acc5 - other.acc5)
    assert paired.loss_difference == pytest.approx(one.loss - other.loss, abs=1e-12)


def test_no_samples_give_nan_and_json_without_it():
    empty = Paired()
    figures = (empty.acc1_difference, empty.acc5_difference, empty.loss_difference)
    assert all(math.isnan(value) for value in (*figures, *empty.acc1_interval))
    record = json.loads(json.dumps(empty.to_dict(), allow_nan=False))
    assert record["acc1_difference"] is record["loss_interval"][0] is None
    assert record["n"] == record["gained1"] == 0


def test_a_mean_of_numbers_worked_by_hand():
    mean = Mean.of([1.0, 2.0]) + Mean.of([6.0])
    assert mean.mean == 3.0
    # Variance (4 + 1 + 9) / 2 = 7, over sqrt(3).
    assert mean.half_width == pytest.approx(1.959963984540054 * math.sqrt(7 / 3), abs=1e-9)
    assert mean.interval == pytest.approx((3 - mean.half_width, 3 + mean.half_width))
    assert math.isnan(Mean.of([1.0]).half_width)
    assert Mean().to_dict()["mean"] is None


@pytest.mark.parametrize(
    ("interval", "expected"),
    [((0.1, 2), True), ((-2, -0.1), True), ((-1, 1), False), ((math.nan, math.nan), False)],
)
def test_excluding_zero(interval, expected):
    assert excludes_zero(interval) is expected
