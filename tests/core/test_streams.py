"""The random streams: fixed for good, exact, independent, and nobody else's."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import oracle
from network_prune.core.layers import Granularity, Layer
from network_prune.core.streams import (
    DRAW,
    SCORE,
    bernoulli_bits,
    check_stream_number,
    random_scores,
    random_words,
    stream_key,
)
from network_prune.errors import NetworkPruneError

# Computed by the oracle's plain integers; published masks depend on them.
WORDS_0 = ["0x348c3d1af8bec8e5", "0xe848b57330008cfb", "0xe9752a8ff382eb96"]
WORDS_SCORE = ["0xaa2ab982c0435e20", "0xb211e3931c55136e", "0xe32ab60ab66f04af"]
BERNOULLI = ["0xa65088e902150200", "0x9d718400b0007020", "0x328508205011d004"]

NUMBERS = st.integers(0, 2**64 - 1)


def unpacked(words: np.ndarray) -> np.ndarray:
    return np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little").astype(bool)


def drawn(p: float, words: int, *, seed: int, index: int) -> np.ndarray:
    """Draw for all positions of that many words."""
    return bernoulli_bits(p, np.full(words, 2**64 - 1, np.uint64), seed=seed, index=index)


def test_first_words_never_change():
    positions = np.arange(3, dtype=np.uint64)
    assert [hex(w) for w in random_words(stream_key(DRAW, 0, 0, 0), positions).tolist()] == WORDS_0
    assert [hex(w) for w in random_words(stream_key(SCORE, 7), positions).tolist()] == WORDS_SCORE
    assert [hex(w) for w in drawn(0.3, 3, seed=1, index=2).tolist()] == BERNOULLI
    assert (DRAW, SCORE) == (1, 2)


def test_splitmix64_gives_the_published_sequence():
    # The first outputs of SplitMix64 from state 1234567, as in the reference C code's tests.
    words = random_words(1234567, np.arange(5, dtype=np.uint64))
    assert words.tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@given(parts=st.lists(NUMBERS, min_size=1, max_size=4), position=st.integers(0, 2**64 - 2))
def test_keys_and_words_equal_the_oracle(parts, position):
    key = stream_key(*parts)
    assert key == oracle.key(*parts)
    word = random_words(key, np.array([position], np.uint64))
    assert word.tolist() == [oracle.word(key, position)]


@given(
    p=st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0, 0.5, 5e-324, 1 - 2**-53, 2**-20])),
    seed=NUMBERS,
    index=NUMBERS,
)
def test_every_bit_equals_the_oracle(p, seed, index):
    found = unpacked(drawn(p, 3, seed=seed, index=index))
    wanted = [oracle.bernoulli(p, seed=seed, index=index, position=i) for i in range(192)]
    assert found.tolist() == wanted


@given(seed=NUMBERS, first=st.integers(0, 2**40), count=st.integers(0, 70))
def test_random_scores_equal_the_oracle(seed, first, count):
    found = random_scores(first, count, seed=seed)
    assert found.dtype == np.float32
    assert found.tolist() == [oracle.random_score(seed, first + i) for i in range(count)]


def test_a_short_draw_begins_a_long_one():
    long = drawn(0.3, 500, seed=1, index=2)
    assert np.array_equal(drawn(0.3, 7, seed=1, index=2), long[:7])


def test_draws_come_in_any_order_from_any_thread():
    indices = list(range(24))
    straight = [drawn(0.37, 300, seed=5, index=i) for i in indices]
    with ThreadPoolExecutor(6) as pool:
        tangled = list(pool.map(lambda i: drawn(0.37, 300, seed=5, index=i), reversed(indices)))
    assert all(np.array_equal(a, b) for a, b in zip(straight, reversed(tangled), strict=True))


def test_global_generators_are_neither_read_nor_moved():
    states = []
    draws = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        before = torch.get_rng_state(), np.random.get_state()[1].tolist()
        draws.append(drawn(0.3, 50, seed=0, index=0).tolist())
        draws.append(random_scores(0, 50, seed=0).tolist())
        states.append(before[1] == np.random.get_state()[1].tolist())
        states.append(torch.equal(before[0], torch.get_rng_state()))
    assert all(states)
    assert draws[:2] == draws[2:]


@pytest.mark.parametrize("p", [0.0, 1.0, -0.0])
def test_certain_draws(p):
    assert unpacked(drawn(p, 9, seed=3, index=4)).tolist() == [p == 1.0] * 576


# --- rates: within six standard deviations, for fixed seeds -------------------------------


@pytest.mark.parametrize("p", [0.5, 0.3, 0.7, 0.9, 0.01, 1 / 3, 1e-3, 0.999, 2**-10])
@pytest.mark.parametrize("seed", [0, 1, 2**63])
def test_the_rate_is_p(p, seed):
    words = 40_000
    n = 64 * words
    hits = int(np.bitwise_count(drawn(p, words, seed=seed, index=11)).sum())
    assert abs(hits - n * p) < 6 * math.sqrt(n * p * (1 - p))


def test_the_rate_is_exact_for_a_tiny_p():
    p, words = 2.0**-20, 1_000_000
    hits = sum(int(np.bitwise_count(drawn(p, words, seed=9, index=i)).sum()) for i in range(4))
    mean = 4 * 64 * words * p
    assert abs(hits - mean) < 6 * math.sqrt(mean)


def test_every_bit_of_a_word_has_the_rate():
    flags = unpacked(drawn(0.3, 40_000, seed=4, index=0)).reshape(-1, 64)
    bound = 6 * math.sqrt(40_000 * 0.3 * 0.7)
    assert np.all(np.abs(flags.sum(0) - 12_000) < bound)


PAIRS = {
    "indices": [({"seed": 3, "index": i}, {"seed": 3, "index": i + 1}) for i in range(8)],
    "seeds": [({"seed": i, "index": 0}, {"seed": i + 1, "index": 0}) for i in range(8)],
    "seed for index": [({"seed": i, "index": j}, {"seed": j, "index": i}) for i, j in [(1, 2)]],
    "far indices": [({"seed": 0, "index": 0}, {"seed": 0, "index": 2**63})],
}


@pytest.mark.parametrize("p", [0.5, 0.3])
@pytest.mark.parametrize("kind", PAIRS)
def test_two_draws_are_independent(kind, p):
    words = 20_000
    n = 64 * words
    for one, other in PAIRS[kind]:
        a = drawn(p, words, **one)
        b = drawn(p, words, **other)
        assert_independent(a, b, p, n)


def assert_independent(a: np.ndarray, b: np.ndarray, p: float, n: int) -> None:
    """Each of the four outcomes of a pair lies within six standard deviations."""
    for one, rate_one in [(a, p), (~a, 1 - p)]:
        for other, rate_other in [(b, p), (~b, 1 - p)]:
            rate = rate_one * rate_other
            count = int(np.bitwise_count(one & other).sum())
            assert abs(count - n * rate) < 6 * math.sqrt(n * rate * (1 - rate))


@pytest.mark.parametrize("distance", [1, 2, 3, 9, 63, 64, 65, 576, 4608])
def test_neighbouring_positions_are_independent(distance):
    p = 0.3
    flags = unpacked(drawn(p, 20_000, seed=8, index=1))
    both = int((flags[distance:] & flags[:-distance]).sum())
    n = len(flags) - distance
    assert abs(both - n * p * p) < 6 * math.sqrt(n * p * p * (1 - p * p))


def test_pairs_of_words_over_many_draws_show_no_pattern():
    # Chi-square of the byte values over many short draws: 255 degrees of freedom.
    octets = np.concatenate(
        [drawn(0.5, 1, seed=s, index=i) for s in range(40) for i in range(400)]
    ).view(np.uint8)
    counts = np.bincount(octets, minlength=256)
    expected = len(octets) / 256
    chi = float(((counts - expected) ** 2 / expected).sum())
    assert 255 - 6 * math.sqrt(510) < chi < 255 + 6 * math.sqrt(510)


def test_random_scores_are_uniform():
    scores = random_scores(0, 200_000, seed=3)
    assert scores.min() >= 0
    assert scores.max() < 1
    counts = np.histogram(scores, bins=20, range=(0, 1))[0]
    assert np.all(np.abs(counts - 10_000) < 6 * math.sqrt(10_000 * 0.95))


# --- names of streams ---------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 2**64 - 1, np.int64(5), np.uint64(2**64 - 1)])
def test_whole_numbers_name_streams(value):
    assert check_stream_number("seed", value) == int(value)


@pytest.mark.parametrize("value", [1.0, "1", None, True, np.float32(2)])
def test_other_things_do_not(value):
    with pytest.raises(NetworkPruneError, match=r"seed=.* is not an integer; pass one from 0 to"):
        check_stream_number("seed", value)


@pytest.mark.parametrize("value", [-1, 2**64])
def test_numbers_outside_do_not(value):
    with pytest.raises(NetworkPruneError, match=rf"seed={value} is outside \[0, 2\*\*64 - 1\]"):
        check_stream_number("seed", value)


# --- shapes of layers ---------------------------------------------------------------------


def test_a_transposed_layer_is_read_as_out_by_in():
    layer = Layer("up", (4, 3, 2, 2), transposed=True, groups=2)
    assert layer.canonical_shape == (6, 2, 2, 2)
    assert layer.element_shape(Granularity.NEURON) == (6,)
    assert layer.element_shape(Granularity.CONNECTION) == (6, 2)
    weight = torch.arange(48.0).reshape(4, 3, 2, 2)
    canonical = layer.canonical(weight)
    for o in range(6):
        for i in range(2):
            stored = weight[(o // 3) * 2 + i, o % 3]
            assert torch.equal(canonical[o, i], stored)
    assert torch.equal(layer.expand(canonical, Granularity.WEIGHT), weight)
