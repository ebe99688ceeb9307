"""Scores: one order of addition, the same bits everywhere."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import oracle
from network_prune.core.layers import Granularity
from network_prune.core.lowest import Part, lowest
from network_prune.core.scores import (
    DataScore,
    LayerScore,
    Norm,
    RandomScore,
    fold_sum,
    norm_scores,
    parse_score,
    summed_products,
)
from network_prune.errors import NetworkPruneError

FINITE = st.floats(-1e6, 1e6, width=32)


def test_fold_by_hand():
    rows = torch.tensor([[1.0, 2.0, 4.0, 8.0, 16.0], [1e8, 1.0, -1e8, 1.0, 0.0]])
    # [1e8, 1, -1e8, 1, 0] -> [1e8 + 1, 1 + 0, -1e8] -> [1e8 - 1e8, 1] -> 1, since 1e8 + 1 = 1e8
    assert fold_sum(rows.T.clone()).tolist() == [31.0, 1.0]


@given(values=st.lists(FINITE, min_size=1, max_size=40))
def test_fold_equals_the_oracle(values):
    rows = torch.tensor([values], dtype=torch.float32)
    assert fold_sum(rows.T).item() == float(oracle.fold([np.float32(v) for v in values]))


@given(values=st.lists(FINITE, min_size=1, max_size=60), norm=st.sampled_from(list(Norm)))
def test_norms_equal_the_oracle(values, norm):
    weight = torch.tensor(values, dtype=torch.float32).reshape(1, 1, -1, 1)
    found = norm_scores(weight, Granularity.CONNECTION, norm)
    assert found.dtype is torch.float32
    assert found.shape == (1, 1)
    assert np.float32(found.item()) == oracle.score_of(values, norm.value)


@given(values=st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=40))
def test_products_are_added_in_the_canonical_order(values):
    weight, other = torch.tensor(values).T.reshape(2, 1, 1, -1, 1)
    found = summed_products(weight, other, Granularity.CONNECTION)
    products = [np.float32(a) * np.float32(b) for a, b in values]
    assert found.dtype is torch.float32
    assert np.float32(found.item()) == oracle.fold(products)


@pytest.mark.parametrize("granularity", list(Granularity))
@pytest.mark.parametrize("order", [1, 2])
def test_norms_agree_with_torch_up_to_rounding(granularity, order):
    weight = torch.randn(16, 12, 3, 3, generator=torch.Generator().manual_seed(0))
    axes = {"weight": (), "connection": (2, 3), "neuron": (1, 2, 3)}[granularity]
    wanted = torch.linalg.vector_norm(weight, ord=order, dim=axes) if axes else weight.abs()
    found = norm_scores(weight, granularity, Norm(f"l{order}"))
    torch.testing.assert_close(found, wanted, rtol=2e-6, atol=0)
    mean = norm_scores(weight, granularity, Norm.MEAN_L1)
    size = weight.numel() // found.numel()
    torch.testing.assert_close(mean * size, norm_scores(weight, granularity, Norm.L1))


@pytest.mark.parametrize("granularity", list(Granularity))
def test_scoring_leaves_the_weight_alone(granularity):
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        weight = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
        before = weight.clone()
        for norm in Norm:
            norm_scores(weight.abs(), granularity, norm)
            norm_scores(weight, granularity, norm)
        assert torch.equal(weight, before)


def test_a_mean_makes_kernels_of_all_sizes_comparable():
    small, large = torch.full((1, 1, 1, 1), 0.5), torch.full((1, 1, 3, 3), 0.5)
    for weight in (small, large):
        assert norm_scores(weight, Granularity.CONNECTION, Norm.MEAN_L1).item() == 0.5


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("l1", Norm.L1),
        ("l2", Norm.L2),
        ("mean-l1", Norm.MEAN_L1),
        ("lamp", LayerScore.LAMP),
        ("taylor", DataScore.TAYLOR),
        ("gradient", DataScore.GRADIENT),
        ("random", RandomScore(0)),
        ("random:18446744073709551615", RandomScore(2**64 - 1)),
    ],
)
def test_a_score_has_a_name_that_reads_back(text, score):
    assert parse_score(text) == score
    assert parse_score(str(score)) == score


@pytest.mark.parametrize(
    "text", ["L1", "", "random:", "random:-1", "random:1.5", " l1", "taylor:0"]
)
def test_other_names_are_refused(text):
    with pytest.raises(NetworkPruneError, match=f"unknown score '{text}'"):
        parse_score(text)


def test_a_seed_that_is_too_large_is_refused():
    with pytest.raises(NetworkPruneError, match="random score's seed=18446744073709551616 is out"):
        parse_score("random:18446744073709551616")


VALUES = st.sampled_from([0.0, -0.0, 0.5, 1.0, 1e-45, 3e38])


@given(
    parts=st.lists(st.lists(VALUES, max_size=9), min_size=1, max_size=4),
    share=st.floats(0, 1),
)
def test_lowest_equals_the_oracle_with_ties(parts, share):
    k = int(share * sum(map(len, parts)))
    found = lowest([Part(torch.tensor(part, dtype=torch.float32)) for part in parts], k)
    assert flags_of(found, parts) == oracle.lowest(parts, k)


def flags_of(words: list[np.ndarray], parts: list[list[float]]) -> list[list[bool]]:
    return [
        np.unpackbits(word.view(np.uint8), count=len(part), bitorder="little").astype(bool).tolist()
        for word, part in zip(words, parts, strict=True)
    ]
