"""Hundreds of prunable sets fit in memory: each takes one bit an element."""

import copy
import pickle
import tracemalloc

import pytest
from torch import nn

import network_prune as npr

SETS = 8
MODEL = nn.Sequential(nn.Conv2d(128, 128, 3), nn.Conv2d(128, 128, 3))
ELEMENTS = 2 * 128 * 128 * 9


def ranked(path, p_prune: float) -> npr.PrunableSet:
    return npr.rank(MODEL, p_prune=p_prune)


def loaded(path, p_prune: float) -> npr.PrunableSet:
    ranked(path, p_prune).save(path)
    return npr.PrunableSet.load(path)


def used(path, p_prune: float) -> npr.PrunableSet:
    found = ranked(path, p_prune)
    assert len(found) == int(p_prune * ELEMENTS)
    assert found.sha256 != found.fingerprint
    assert found.prunable("0").any()
    assert len(found.draw(p_bern=0.5, seed=0)) < len(found)
    with npr.Redrawer(MODEL, found, p_bern=0.5) as redrawer:
        redrawer.redraw()
    return found


@pytest.mark.parametrize("make", [ranked, loaded, used])
def test_a_set_holds_one_bit_an_element(make, tmp_path):
    limit = ELEMENTS / 8 + 8192
    assert len(pickle.dumps(make(tmp_path / "set", 0.5))) <= limit
    tracemalloc.start()
    try:
        sets = [make(tmp_path / "set", (i + 1) / SETS) for i in range(SETS)]
        assert tracemalloc.get_traced_memory()[0] <= SETS * limit
    finally:
        tracemalloc.stop()
    assert len(set(sets)) == SETS


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_is_as_read_only_as_a_set_itself(again):
    """The last draw of a set is kept, and would be wrong for a set that has changed."""
    found = npr.rank(MODEL, p_prune=0.5)
    for value in (found, found.draw(p_bern=0.5, seed=0)):
        twin = again(value)
        assert twin == value
        with pytest.raises(ValueError, match="read-only"):
            twin.elements.words[0] = 0
