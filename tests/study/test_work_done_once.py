"""Work that several variants need is done once: images listed, and decoded; bits drawn."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

import network_prune as npr
from network_prune.pruning import prunable
from network_prune.sources.data import load, pictures


@pytest.fixture
def photographs(tmp_path):
    """Return a manifest of ten pictures."""
    rows = ["image,label"]
    for number in range(10):
        pixels = np.full((8, 8), 25 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{number}")
    (tmp_path / "images.csv").write_text("\n".join(rows), encoding="utf-8")
    return str(tmp_path / "images.csv")


@pytest.fixture
def done(monkeypatch):
    """Return what was done, and how often."""
    counts = Counter()

    def count(module, name, key):
        original = getattr(module, name)

        def counted(*args, **kwargs):
            counts[key(*args, **kwargs)] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(module, name, counted)

    count(load, "list_data", lambda request: "listed")
    count(prunable, "bernoulli_bits", lambda p, among, *, seed, index: ("drawn", p, seed, index))
    count(pictures, "decode", lambda *_, **__: "decoded")
    return counts


def test_a_sweep_lists_decodes_and_draws_once(photographs, done, tmp_path):
    plan = {"data": photographs, "arch": "digits", "p_prune": 0.2, "p_bern": 0.5, "draws": 3}
    study = npr.sweep({**plan, "workers": 0}, out=tmp_path / "out", progress=False)
    assert len(study) == 4
    assert done["listed"] == 1
    assert done["decoded"] == 10 + 8  # of eight the size is looked at before
    draws = {key: count for key, count in done.items() if key[0] == "drawn"}
    assert draws == {("drawn", 0.5, 0, index): 1 for index in range(3)}


def test_a_search_lists_images_once(photographs, done):
    npr.find({"data": photographs, "arch": "digits", "workers": 0}, max_drop=50, progress=False)
    assert done["listed"] == 1
