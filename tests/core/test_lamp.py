"""LAMP: a square over the sum of itself and all greater ones of its layer."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import network_prune as npr
import oracle
from network_prune.core.scores import lamp_scores

VALUES = st.one_of(
    st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.0, 1e-45, -1e-40, 3e38]),
    st.floats(-1e6, 1e6, width=32),
)


def layer(values: list[float]) -> nn.Conv2d:
    found = nn.Conv2d(1, len(values), 1, bias=False)
    found.weight = nn.Parameter(torch.tensor(values).reshape(-1, 1, 1, 1))
    return found


def test_by_hand():
    # Ascending 1, 4, 4, 9: 9 / 9, 4 / (4 + 9), 4 / (4 + 4 + 9) for the earlier four, 1 / 18.
    found = lamp_scores(np.array([4.0, 9.0, 1.0, 4.0]))
    assert found.tolist() == [4 / 17, 1.0, 1 / 18, 4 / 13]


def test_zeros_score_zero_and_a_lone_element_one():
    assert lamp_scores(np.zeros(3)).tolist() == [0.0, 0.0, 0.0]
    assert lamp_scores(np.array([0.0, 5.0, 0.0])).tolist() == [0.0, 1.0, 0.0]
    assert lamp_scores(np.empty(0)).tolist() == []


@given(values=st.lists(VALUES, min_size=1, max_size=60))
def test_equals_the_oracle(values):
    squares = np.square(np.array(values, np.float32).astype(np.float64))
    found = lamp_scores(squares)
    assert found.tolist() == oracle.lamp_of([[value] for value in values])
    assert bool(np.all(np.diff(found[np.argsort(squares, kind="stable")]) >= 0))


def test_the_scale_of_a_layer_says_nothing():
    """The L1 norm takes the small layer whole; LAMP ranks both alike, ties by position."""
    model = nn.Sequential(layer([0.375, 0.5, 0.625]), layer([3.0, 4.0, 5.0]))
    by_size = npr.rank(model, p_prune=0.5)
    by_lamp = npr.rank(model, p_prune=0.5, score="lamp")
    assert by_size.elements.counts == {"0": 3, "1": 0}
    assert by_lamp.prunable("0").flatten().tolist() == [True, True, False]
    assert by_lamp.prunable("1").flatten().tolist() == [True, False, False]
    assert by_lamp.score == "lamp"


@pytest.mark.parametrize("granularity", ["weight", "connection", "neuron"])
def test_within_a_layer_it_is_the_order_of_the_l2_norm(granularity):
    generator = torch.Generator().manual_seed(0)
    model = nn.Conv2d(6, 8, 3)
    model.weight = nn.Parameter(torch.randn(model.weight.shape, generator=generator))
    by_norm, by_lamp = (
        npr.rank(model, granularity, p_prune=0.4, score=score, scope="layer")
        for score in ("l2", "lamp")
    )
    assert by_norm == npr.PrunableSet(by_lamp.elements, 0.4, "l2", by_norm.scope)


def test_weights_beyond_float32_are_refused():
    model = layer([1.0, 2.0]).double()
    with torch.no_grad():
        model.weight[0] = 1e300
    with pytest.raises(npr.NetworkPruneError, match="weights whose score is beyond float32"):
        npr.rank(model, p_prune=0.5, score="lamp")
