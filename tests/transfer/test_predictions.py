from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from network_prune.transfer.predictions import Predictions
from tests.made_transfers import predictions

FIELDS = ("labels", "targets", "classes", "linf", "l2")


def same(first: Predictions, second: Predictions) -> bool:
    arrays = (np.array_equal(getattr(first, name), getattr(second, name)) for name in FIELDS)
    return first.networks == second.networks and all(arrays)


@given(n=st.integers(0, 20), points=st.integers(1, 5), networks=st.integers(1, 4))
def test_bytes_give_the_predictions_back(n, points, networks):
    names = [f"network {number}" for number in range(networks)]
    made = predictions(names, n=n, points=points, seed=n)
    assert same(Predictions.from_bytes(made.to_bytes()), made)


@given(cuts=st.lists(st.integers(0, 40), max_size=4))
def test_batches_join_to_the_whole(cuts):
    made = predictions(["a", "b"], n=40)
    edges = [0, *sorted(cuts), 40]
    parts = [
        Predictions(made.networks, **{name: getattr(made, name)[..., a:b] for name in FIELDS})
        for a, b in pairwise(edges)
    ]
    assert same(Predictions.join(parts), made)


def test_each_row_is_found_by_network_and_point():
    classes = np.arange(2 * 5 * 3).reshape(2, 5, 3)
    zeros = np.zeros(3)
    made = Predictions(("a", "b"), zeros, zeros, classes, zeros, zeros)
    assert made.points == 2
    assert made.clean("b").tolist() == [15, 16, 17]
    assert made.at(0, "b").tolist() == [18, 19, 20]
    assert made.at(1, "b").tolist() == made.at(-1, "b").tolist() == [21, 22, 23]
    assert made.rounded("b").tolist() == [24, 25, 26]
    assert made.truncated("b").tolist() == [27, 28, 29]
    with pytest.raises(IndexError):
        made.at(2, "b")


def test_bytes_that_were_cut_are_refused():
    with pytest.raises(ValueError, match="buffer"):
        Predictions.from_bytes(predictions(["a"]).to_bytes()[:-4])
