"""The k lowest scores by a bracket: the same as by sorting everything, whatever the scores."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import network_prune as npr
import oracle
from network_prune.core import lowest as selection
from network_prune.core.layers import Granularity
from network_prune.core.lowest import Magnitudes, NonFiniteScoreError, Part, lowest
from network_prune.core.scores import Norm, norm_scores


@pytest.fixture(scope="module", autouse=True)
def small_brackets() -> Iterator[None]:
    """Let a handful of scores take the way of millions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "SMALL", 0)
        patch.setattr(selection, "SAMPLE", 8)
        patch.setattr(selection, "BLOCK", 64)
        yield


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def flags_of(words: Sequence[np.ndarray], counts: Sequence[int]) -> list[list[bool]]:
    return [
        np.unpackbits(word.view(np.uint8), count=count, bitorder="little").astype(bool).tolist()
        for word, count in zip(words, counts, strict=True)
    ]


def marked(parts: Sequence[np.ndarray], k: int) -> list[list[bool]]:
    words = lowest([Part(torch.from_numpy(part)) for part in parts], k)
    assert sum(int(np.bitwise_count(word).sum()) for word in words) == k
    return flags_of(words, [len(part) for part in parts])


def by_sorting(parts: Sequence[np.ndarray], k: int) -> list[list[bool]]:
    everything = np.concatenate(parts)
    flags = np.zeros(len(everything), bool)
    flags[np.argsort(everything, kind="stable")[:k]] = True
    return [part.tolist() for part in np.split(flags, np.cumsum([len(p) for p in parts])[:-1])]


VALUES = {
    "random": lambda rng, n: rng.random(n),
    "signed": lambda rng, n: rng.standard_normal(n),
    "few": lambda rng, n: rng.choice([0.0, 0.5, 1.0, 2.0], n),
    "both zeros": lambda rng, n: rng.choice([0.0, -0.0, 1e-45], n),
    "all equal": lambda rng, n: np.full(n, 3.0),
    "sparse": lambda rng, n: rng.random(n) * (rng.random(n) < 0.3),
    "an atom amid others": lambda rng, n: np.where(rng.random(n) < 0.6, 0.5, rng.random(n)),
    "rising": lambda rng, n: np.arange(n),
    "falling": lambda rng, n: np.arange(n)[::-1],
    "periodic": lambda rng, n: np.arange(n) % rng.integers(2, 33),
    "rare low": lambda rng, n: (np.arange(n) % 32 != rng.integers(32)) + rng.random(n) / 4,
    "rare high": lambda rng, n: (np.arange(n) % 32 == rng.integers(32)) + rng.random(n) / 4,
    "wide": lambda rng, n: 10.0 ** rng.uniform(-40, 38, n),
}


@given(
    kinds=st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=5),
    sizes=st.lists(st.integers(0, 300), min_size=5, max_size=5),
    share=st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0, 0.2, 0.5])),
    seed=st.integers(0, 2**32),
    dtype=st.sampled_from([np.float32, np.float64]),
    workers=st.sampled_from([1, 3]),
)
def test_a_bracket_finds_what_the_oracle_does(kinds, sizes, share, seed, dtype, workers):
    rng = np.random.default_rng(seed)
    parts = [
        VALUES[kind](rng, size).astype(dtype) for kind, size in zip(kinds, sizes, strict=False)
    ]
    k = int(share * sum(map(len, parts)))
    with threads(workers):
        found = marked(parts, k)
    assert found == oracle.lowest([part.tolist() for part in parts], k)


@given(
    groups=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 80)), min_size=1, max_size=8),
    border=st.integers(0, 3),
    off=st.integers(-1, 1),
)
def test_exactly_k_at_and_beside_the_border_of_equal_scores(groups, border, off):
    values = np.concatenate([np.full(count, float(value)) for value, count in groups])
    k = min(max(int((values < border).sum()) + off, 0), len(values))
    for parts in ([values], [values[:70], values[70:]]):
        assert marked(parts, k) == by_sorting(parts, k)


def test_every_k_of_a_small_network():
    rng = np.random.default_rng(0)
    parts = [rng.choice([0.0, 0.25, *rng.random(9)], size) for size in (70, 0, 1, 64, 65)]
    for k in range(201):
        assert marked(parts, k) == by_sorting(parts, k)


def passes_of(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """Return the list that will receive every bracket that is tried."""
    tried: list[tuple[float, float]] = []
    mark = selection._mark_up_to

    def spy(marks, low, high):
        tried.append((float(low), float(high)))
        return mark(marks, low, high)

    monkeypatch.setattr(selection, "_mark_up_to", spy)
    return tried


@pytest.mark.parametrize("misleading", ["too low", "too high"])
def test_a_sample_that_misleads_is_widened_until_right(monkeypatch, misleading):
    monkeypatch.setattr(selection, "SAMPLE", 128)
    tried = passes_of(monkeypatch)
    # Every 100th score, the sampled ones, lies far from the 99 others.
    values = np.random.default_rng(2).random(12800)
    values[::100] += 5.0 if misleading == "too high" else -5.0
    assert marked([values], 6400) == by_sorting([values], 6400)
    assert len(tried) > 1
    lows, highs = zip(*tried, strict=True)
    if misleading == "too high":
        assert list(lows) == sorted(lows, reverse=True)
    else:
        assert list(highs) == sorted(highs)


def test_a_sample_that_speaks_true_takes_one_pass_and_little_memory(monkeypatch):
    monkeypatch.setattr(selection, "SAMPLE", 1 << 10)
    tried = passes_of(monkeypatch)
    values = np.random.default_rng(3).random(1 << 15).astype(np.float32)
    assert marked([values], 1 << 14) == by_sorting([values], 1 << 14)
    ((low, high),) = tried
    assert 0.3 < low < 0.5 < high < 0.7


@pytest.mark.parametrize("k", [0, 1, 6000, 9999, 10000])
def test_two_thirds_of_zeros_are_counted_and_not_collected(monkeypatch, k):
    collected = []
    mark = selection._mark_up_to

    def spy(marks, low, high):
        found = mark(marks, low, high)
        collected.append(len(found.inside))
        return found

    monkeypatch.setattr(selection, "_mark_up_to", spy)
    monkeypatch.setattr(selection, "SAMPLE", 1000)
    rng = np.random.default_rng(4)
    values = np.where(rng.random(10000) < 0.7, 0.0, 1 + rng.random(10000)).astype(np.float32)
    assert marked([values], k) == by_sorting([values], k)
    assert max(collected) < 3000


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("small", [0, 1 << 18])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_part_with_a_score_that_is_not_finite_is_named(monkeypatch, bad, small, workers):
    monkeypatch.setattr(selection, "SMALL", small)
    parts = [np.ones(size, np.float32) for size in (500, 0, 300, 200)]
    parts[2][299] = bad
    parts[3][0] = bad
    with threads(workers), pytest.raises(NonFiniteScoreError, match="part 2 has NaN or inf") as e:
        lowest([Part(torch.from_numpy(part)) for part in parts], 10)
    assert e.value.place == 2


# --- single weights -----------------------------------------------------------------------


def gaps(values: torch.Tensor) -> torch.Tensor:
    wide = torch.full((2 * len(values), *values.shape[1:]), torch.nan, dtype=values.dtype)
    wide[::2] = values
    return wide[::2]


LAYOUTS = {
    "plain": lambda values: values,
    "channels_last": lambda values: values.contiguous(memory_format=torch.channels_last),
    "gaps": gaps,
    "reversed axes": lambda values: values.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_magnitudes_are_the_absolute_values_in_canonical_order(dtype, layout):
    values = torch.randn(6, 5, 3, 2, generator=torch.Generator().manual_seed(0)).to(dtype)
    values[0, 0, 0, 0] = -0.0
    expected = values.to(torch.float32).abs().flatten().numpy()
    found = Magnitudes(LAYOUTS[layout](values))
    assert len(found) == 180
    room = np.empty(64, np.float32)
    read = np.concatenate([found.read(start, room).copy() for start in range(0, 180, 64)])
    assert read.tobytes() == expected.tobytes()
    assert found.sample(3, 7).tobytes() == expected[3::7].tobytes()


def test_reading_magnitudes_leaves_the_weight_alone():
    for dtype in (torch.float32, torch.bfloat16):
        weight = torch.randn(4, 4, 3, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
        before = weight.clone()
        lowest([Magnitudes(weight)], 20)
        assert torch.equal(weight, before)


# --- real networks ------------------------------------------------------------------------


@pytest.mark.parametrize("granularity", list(Granularity))
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "densenet121"])
def test_real_networks_are_ranked_as_by_sorting_everything(monkeypatch, name, granularity):
    monkeypatch.setattr(selection, "SMALL", 1 << 10)
    monkeypatch.setattr(selection, "SAMPLE", 1 << 12)
    monkeypatch.setattr(selection, "BLOCK", 1 << 17)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(torchvision.models, name)(weights=None)
    weights = [module.weight for module in model.modules() if isinstance(module, nn.Conv2d)]
    with torch.no_grad():
        weights[3][::2] = 0.0
    parts = [norm_scores(w, granularity, Norm.L1).flatten().numpy() for w in weights]
    everything = np.concatenate(parts)
    order = np.argsort(everything, kind="stable")
    for p_prune in (0.2, 0.7):
        flags = np.zeros(len(everything), bool)
        flags[order[: int(p_prune * len(everything))]] = True
        found = npr.rank(model, granularity, p_prune=p_prune)
        members = [found.prunable(layer.name).flatten() for layer in found.layers]
        assert np.array_equal(torch.cat(members).numpy(), flags)
