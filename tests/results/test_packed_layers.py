"""Layers that are kept as text are a list as any other to whoever looks."""

import copy
import json
import pickle

import pytest

from network_prune.errors import SourceError
from network_prune.results.lines.layers import PackedLayers, with_packed_layers

LAYERS = [{"name": "a", "pruned": 1}, {"name": "b", "pruned": 2}]


def packed():
    return PackedLayers(with_packed_layers({"realised": {"layers": LAYERS}})["realised"]["layers"])


@pytest.mark.parametrize(
    "look",
    [
        list,
        tuple,
        len,
        bool,
        repr,
        json.dumps,
        copy.copy,
        copy.deepcopy,
        lambda it: json.dumps(it, indent=1),
        lambda it: pickle.loads(pickle.dumps(it)),
        lambda it: it[1],
        lambda it: it[:1],
        lambda it: it + [3],  # noqa: RUF005
        lambda it: [3] + it,  # noqa: RUF005
        lambda it: [*it],
        lambda it: (lambda *them: them)(*it),
        lambda it: LAYERS[0] in it,
        lambda it: it.index(LAYERS[1]),
        lambda it: list(reversed(it)),
        lambda it: it.append(3) or it,
        lambda it: [0].extend(it) or it,
        lambda it: it == LAYERS,
        lambda it: LAYERS.__eq__(list(it)),
        lambda it: it == packed(),
        lambda it: it != packed(),
        lambda it: {"layers": it} == {"layers": packed()},
    ],
)
def test_any_look_finds_what_a_list_has(look):
    assert look(packed()) == look(list(LAYERS))


def test_damaged_text_is_told():
    with pytest.raises(SourceError, match="the layers of a record are damaged; remove its line"):
        len(PackedLayers("nonsense"))
