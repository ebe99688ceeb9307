"""Figures follow from integer counts, so shards add up and equal logits have one right rank."""

import json
import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from network_prune.evaluation.mean import to_units
from network_prune.evaluation.metrics import Metrics, measure, measure_samples, wilson_interval
from network_prune.evaluation.paired import compare


def slow_rank(row: list[float], label: int) -> int:
    """Count the classes ahead of the label: greater, or equal at a lower index."""
    ahead = [c for c, value in enumerate(row) if value > row[label]]
    ahead += [c for c, value in enumerate(row) if value == row[label] and c < label]
    return len(ahead)


def slow_loss(row: list[float], label: int) -> float:
    top = max(row)
    return top + math.log(math.fsum(math.exp(value - top) for value in row)) - row[label]


batches = st.integers(1, 9).flatmap(
    lambda classes: st.lists(
        st.tuples(
            st.lists(
                st.sampled_from([-2.0, 0.0, 0.5, 1.0, 3.0]), min_size=classes, max_size=classes
            ),
            st.integers(0, classes - 1),
        ),
        min_size=1,
        max_size=12,
    )
)


@given(batches)
def test_counts_equal_loops_over_classes(batch):
    rows, labels = [row for row, _ in batch], [label for _, label in batch]
    ranks = [slow_rank(row, label) for row, label in batch]
    metrics = measure(torch.tensor(rows), torch.tensor(labels))
    assert (metrics.n, metrics.non_finite) == (len(batch), 0)
    assert metrics.hits1 == sum(rank < 1 for rank in ranks)
    assert metrics.hits5 == sum(rank < 5 for rank in ranks)
    losses = [slow_loss(row, label) for row, label in batch]
    assert metrics.loss == pytest.approx(math.fsum(losses) / len(losses), abs=1e-8)


@given(batches, st.integers(0, 12))
def test_shards_add_up_to_the_last_bit(batch, cut):
    rows, labels = torch.tensor([r for r, _ in batch]), torch.tensor([y for _, y in batch])
    whole = measure(rows, labels)
    parts = [
        measure(rows[part], labels[part])
        for part in (slice(None, cut), slice(cut, None))
        if len(labels[part])
    ]
    assert sum(parts, Metrics()) == whole


def test_equal_logits_hit_only_for_the_lowest_indices():
    same = torch.zeros(10, 10)
    metrics = measure(same, torch.arange(10))
    assert (metrics.hits1, metrics.hits5) == (1, 5)


def test_k_is_cut_to_the_class_count():
    metrics = measure(torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([0]))
    assert (metrics.hits1, metrics.hits5) == (0, 1)


@pytest.mark.parametrize(
    ("bad", "place"), [(math.nan, 0), (math.nan, 1), (math.inf, 0), (math.inf, 1), (-math.inf, 0)]
)
def test_non_finite_logits_are_counted_misses_and_leave_no_loss(bad, place):
    logits = torch.tensor([[9.0, 1.0, 0.0], [9.0, 1.0, 0.0]])
    logits[0, place] = bad
    metrics = measure(logits, torch.tensor([0, 0]))
    assert (metrics.n, metrics.hits1, metrics.hits5, metrics.non_finite) == (2, 1, 1, 1)
    assert math.isnan(metrics.loss)
    assert metrics.to_dict()["loss"] is None


@given(batches, st.data())
def test_classes_at_minus_infinity_are_out_of_the_running(batch, data):
    """A network judged on some of its classes has the figures of a smaller network."""
    rows, labels = torch.tensor([r for r, _ in batch]), torch.tensor([y for _, y in batch])
    count = rows.shape[1]
    kept = sorted(
        data.draw(st.sets(st.integers(0, count - 1), max_size=count)) | set(labels.tolist())
    )
    others = [number for number in range(count) if number not in kept]
    masked = rows.clone()
    masked[:, others] = -math.inf
    smaller = torch.tensor([kept.index(label) for label in labels.tolist()])
    assert measure(masked, labels) == measure(rows[:, kept], smaller)


@given(batches)
def test_ties_count_samples_whose_hits_another_order_of_the_classes_would_change(batch):
    def hits(row, label, order):
        return (place := slow_rank([row[c] for c in order], order.index(label))) < 1, place < 5

    expected = 0
    for row, label in batch:
        forth = list(range(len(row)))
        others = [c for c in forth if c != label]
        expected += hits(row, label, [label, *others]) != hits(row, label, [*others, label])
    rows, labels = torch.tensor([r for r, _ in batch]), torch.tensor([y for _, y in batch])
    assert measure(rows, labels).ties == expected


def test_huge_logits_keep_a_finite_loss():
    metrics = measure(torch.tensor([[3e38, -3e38]]), torch.tensor([1]))
    assert metrics.non_finite == 0
    assert metrics.loss == pytest.approx(6e38)


def test_half_precision_logits_are_taken_as_they_are():
    logits = torch.tensor([[1.0, 2.0], [3.0, 0.0]])
    assert measure(logits.half(), torch.tensor([1, 1])) == measure(logits, torch.tensor([1, 1]))


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_equals_scipys(counts):
    hits, n = counts
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    low, high = wilson_interval(hits, n)
    assert low == pytest.approx(100 * expected.low, abs=1e-9)
    assert high == pytest.approx(100 * expected.high, abs=1e-9)
    assert low <= 100 * hits / n <= high


def test_loss_interval_is_the_normal_approximation():
    logits, labels = (
        torch.randn(50, 7, generator=torch.Generator().manual_seed(3)),
        torch.arange(50) % 7,
    )
    losses = torch.nn.functional.cross_entropy(logits.double(), labels, reduction="none")
    half = 1.959963984540054 * float(losses.std()) / math.sqrt(50)
    metrics = measure(logits, labels)
    assert metrics.loss_interval == pytest.approx(
        (metrics.loss - half, metrics.loss + half), abs=1e-8
    )


def test_no_samples_give_nan_not_a_figure():
    empty = Metrics()
    assert all(math.isnan(value) for value in (empty.loss, empty.acc1, empty.acc5))
    assert all(math.isnan(value) for value in (*empty.acc1_interval, *empty.loss_interval))


def test_text_is_the_form_of_the_published_tables():
    metrics = Metrics(n=8, hits1=4, hits5=7, loss_sum=8 * 2**32)
    assert str(metrics) == "Loss 1.000  Acc@1 50.000  Acc@5 87.500"


@pytest.mark.parametrize("large", [1e10, 1e300, 5e307])
def test_a_huge_loss_is_a_huge_number(large):
    rows = torch.tensor([[large, 0.0], [0.0, large]], dtype=torch.float64)
    metrics = measure(rows, torch.tensor([0, 0]))
    assert (metrics.hits1, metrics.non_finite) == (1, 0)
    assert metrics.loss == large / 2
    low, high = metrics.loss_interval
    assert high - metrics.loss == pytest.approx(1.96 * large / 2, rel=1e-3)
    assert low == pytest.approx(large / 2 * (1 - 1.96), rel=1e-2)
    other = measure_samples(torch.zeros(2, 2), torch.tensor([0, 0]))
    paired = compare(measure_samples(rows, torch.tensor([0, 0])), other)
    assert paired.loss_difference == pytest.approx(large / 2)
    assert all(map(math.isfinite, paired.loss_interval))
    assert json.loads(json.dumps(metrics.to_dict(), allow_nan=False))["loss"] == large / 2


def test_a_loss_beyond_float64_is_none():
    rows = torch.tensor([[1.7e308, -1.7e308], [0.0, 1.0]], dtype=torch.float64)
    metrics = measure(rows, torch.tensor([1, 1]))
    assert (metrics.n, metrics.hits1, metrics.hits5, metrics.non_finite) == (2, 1, 1, 1)
    assert math.isnan(metrics.loss)


@given(st.floats(0, 1e300))
def test_units_are_whole_and_as_near_as_they_can_be(value):
    units = to_units(value)
    assert abs(Fraction(units) - Fraction(value) * 2**32) <= Fraction(1, 2)
