"""The bits that a device draws are those of NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from network_prune.core.device_streams import bernoulli_bits_on_device, flags_on_device
from network_prune.core.streams import bernoulli_bits

WORDS = st.integers(0, 2**64 - 1)
DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    ),
]


@pytest.mark.parametrize("device", DEVICES)
@given(
    among=st.lists(WORDS, min_size=1, max_size=5),
    p=st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0, 5e-324, 0.1])),
    seed=WORDS,
    index=WORDS,
)
def test_draws_what_numpy_draws(device, among, p, seed, index):
    words = np.array(among, np.uint64)
    here = torch.from_numpy(words.view(np.int64).copy()).to(device)
    found = bernoulli_bits_on_device(p, here, seed=seed, index=index)
    expected = bernoulli_bits(p, words, seed=seed, index=index)
    assert found.cpu().numpy().view(np.uint64).tolist() == expected.tolist()


def test_unpacks_the_first_bits_lowest_first():
    words = torch.tensor([0b1011, -1], dtype=torch.int64)
    assert flags_on_device(words, 5).tolist() == [True, True, False, True, False]
    assert flags_on_device(words, 66)[60:].tolist() == [False] * 4 + [True] * 2
