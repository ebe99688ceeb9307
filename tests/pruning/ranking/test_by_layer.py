"""Fractions by layer, and a floor under every layer, against the slow oracle."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

import network_prune as npr
import oracle
from network_prune.by_layer import ByLayer
from network_prune.core import lowest
from network_prune.errors import ArgumentError

FRACTIONS = st.one_of(st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0]), st.floats(0, 1))
values = st.lists(
    st.lists(st.sampled_from([0.0, -0.25, 0.5, -0.5, 1.0, 3.0]), min_size=1, max_size=40),
    min_size=1,
    max_size=5,
)


def network(weights: list[list[float]]) -> nn.Sequential:
    layers = [nn.Conv2d(1, len(own), 1, bias=False) for own in weights]
    for layer, own in zip(layers, weights, strict=True):
        layer.weight.data = torch.tensor(own, dtype=torch.float32).reshape(-1, 1, 1, 1)
    return nn.Sequential(*layers)


def flags(found: npr.PrunableSet) -> list[list[bool]]:
    return [found.prunable(layer.name).flatten().tolist() for layer in found.layers]


@given(weights=values, data=st.data())
def test_each_layer_prunes_its_own_fraction_of_its_own_lowest(weights, data):
    fractions = [data.draw(FRACTIONS) for _ in weights]
    found = npr.rank(network(weights), p_prune={str(i): f for i, f in enumerate(fractions)})
    assert flags(found) == [
        oracle.lowest([[abs(w) for w in own]], int(f * len(own)))[0]
        for own, f in zip(weights, fractions, strict=True)
    ]
    assert (found.scope, dict(found.p_prune)) == (
        "layer",
        {str(i): f for i, f in enumerate(fractions)},
    )


@given(weights=values, p_prune=FRACTIONS, floor=FRACTIONS, scope=st.sampled_from("gl"))
def test_a_floor_keeps_its_share_of_each_layer_and_the_others_make_up_for_it(
    weights, p_prune, floor, scope
):
    scores = [[abs(w) for w in own] for own in weights]
    groups = [scores] if scope == "g" else [[own] for own in scores]
    parts = [
        oracle.lowest_above_floor(group, int(p_prune * sum(map(len, group))), floor)
        for group in groups
    ]
    scope = {"g": "global", "l": "layer"}[scope]
    if None in parts:
        with pytest.raises(
            ArgumentError, match=r"asks for \d+ of the \d+ elements of .* lower one"
        ):
            npr.rank(network(weights), p_prune=p_prune, floor=floor, scope=scope)
        return
    found = npr.rank(network(weights), p_prune=p_prune, floor=floor, scope=scope)
    assert flags(found) == [own for part in parts for own in part]


def test_a_floor_holds_where_scores_are_too_many_to_sort(monkeypatch):
    monkeypatch.setattr(lowest, "SMALL", 64)
    monkeypatch.setattr(lowest, "SAMPLE", 64)
    rng = np.random.default_rng(5)
    weights = [list(rng.choice(9, n) * scale) for n, scale in [(900, 1), (300, 3), (70, 0.1)]]
    scores = [[abs(np.float32(w)) for w in own] for own in weights]
    found = npr.rank(network(weights), p_prune=0.6, floor=0.3)
    assert flags(found) == oracle.lowest_above_floor(scores, int(0.6 * 1270), 0.3)


def test_a_floor_of_0_and_one_that_spares_nothing_change_no_mask():
    model = npr.load_network("digits").model
    plain = npr.rank(model, p_prune=0.3)
    assert npr.rank(model, p_prune=0.3, floor=0.0) == plain
    spared = npr.rank(model, p_prune=0.3, floor=0.01)
    assert spared.sha256 == plain.sha256
    assert spared.floor == 0.01


def test_a_floor_keeps_every_layer_alive():
    model = npr.load_network("digits").model
    bare = npr.rank(model, "connection", p_prune=0.8)
    found = npr.rank(model, "connection", p_prune=0.8, floor=0.1)
    assert len(found) == len(bare)
    counts = [(layer.element_count(found.granularity), layer.name) for layer in found.layers]
    assert any(bare.elements.counts[name] > int(0.9 * n) for n, name in counts)
    assert all(found.elements.counts[name] <= int(0.9 * n) for n, name in counts)


def test_what_a_floor_leaves_is_said():
    weights = [[1.0] * 10, [2.0] * 10]
    line = (
        r"p_prune=0.9 asks for 18 of the 20 elements of the ranked layers, and floor=0.25 leaves "
        r"14, which p_prune=0.7 reaches; lower one"
    )
    with pytest.raises(ArgumentError, match=line):
        npr.rank(network(weights), p_prune=0.9, floor=0.25)
    with pytest.raises(
        ArgumentError, match=r"p_prune=0\.8 asks for 8 of the 10 elements of layer '1'"
    ):
        npr.rank(network(weights), p_prune={"0": 0.1, "1": 0.8}, floor=0.5)


NAMES = ["conv1", "layer1.0", "layer1.1", "layer2.0"]


@pytest.mark.parametrize(
    ("fractions", "expected"),
    [
        ({"*": 0.1}, [0.1, 0.1, 0.1, 0.1]),
        ({"*": 0.1, "layer1.*": 0.2}, [0.1, 0.2, 0.2, 0.1]),
        ({"layer1.*": 0.2, "layer*": 0.3, "*": 0.1}, [0.1, 0.2, 0.2, 0.3]),
        ({"layer*": 0.3, "layer1.1": 0.4, "conv1": 0.5}, [0.5, 0.3, 0.4, 0.3]),
        ({"layer*": 0.3, "conv?": 0.5, "*": 0.9}, [0.5, 0.3, 0.3, 0.3]),
    ],
)
def test_a_path_comes_before_patterns_the_first_before_later_ones_and_a_star_last(
    fractions, expected
):
    assert dict(ByLayer(fractions).of(NAMES)) == dict(zip(NAMES, expected, strict=True))


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ({}, "p_prune is an empty mapping; pass e.g."),
        ({"layer*": 0.3}, "p_prune has no fraction for layer 'conv1'; add it, or '\\*' for all"),
        (
            {"conf1": 0.3, "*": 0.1},
            "unknown layer or pattern in p_prune 'conf1'; did you mean conv1",
        ),
        (
            {"layer*": 0.3, "layer1.*": 0.2, "*": 0.1},
            "p_prune's pattern 'layer1.\\*' decides no layer: .* put it first, or leave it out",
        ),
        ({0: 0.3, "*": 0.1}, "p_prune has the key 0, which is no text; pass paths or patterns"),
        ({"*": 1.3}, "p_prune of '\\*'=1.3 is outside \\[0, 1\\]"),
        ({"*": True}, "p_prune of '\\*'=True is not a number; pass a fraction"),
        ({"*": "x"}, "p_prune of '\\*'='x' is not a number"),
    ],
)
def test_a_mapping_that_leaves_a_layer_out_or_names_none_is_refused(fractions, message):
    with pytest.raises(ArgumentError, match=message):
        ByLayer(fractions).of(NAMES)


def test_layers_called_by_brackets_are_found_by_their_own_paths():
    names = ["a[0]", "a0"]
    assert dict(ByLayer({"a[0]": 0.1, "a0": 0.2}).of(names)) == {"a[0]": 0.1, "a0": 0.2}


@given(fractions=st.dictionaries(st.text(), FRACTIONS, min_size=1), data=st.data())
def test_mappings_are_equal_in_any_order_and_hash_alike(fractions, data):
    other = dict(data.draw(st.permutations(list(fractions.items()))))
    one, two = ByLayer(fractions), ByLayer(other)
    assert (one == two, hash(one) == hash(two), str(one) == str(two)) == (True, True, True)
    assume(fractions != dict.fromkeys(fractions, 0.75))
    assert one != ByLayer(dict.fromkeys(fractions, 0.75))


def test_a_set_by_layer_is_saved_with_its_fractions_and_floor(tmp_path):
    model = npr.load_network("digits").model
    found = npr.rank(model, p_prune={"layer4.*": 0.5, "*": 0.2}, floor=0.25)
    found.save(tmp_path / "set")
    loaded = npr.PrunableSet.load(tmp_path / "set")
    assert loaded == found
    assert (loaded.p_prune, loaded.floor) == (found.p_prune, 0.25)
    assert found.p_prune["layer4.0.conv1"] == 0.5
    assert f"p_prune={found.p_prune}, score=l1, scope=layer, floor=0.25)" in repr(found)
    assert "p_prune=0.2 to 0.5 by layer, " in repr(loaded)


def test_shortcuts_take_a_mapping_and_a_floor():
    model = npr.load_network("digits").model
    with npr.prune_connections(model, p_prune={"*": 0.5}, floor=0.25) as pruned:
        rows = pruned.summary().layers
        assert all(row.pruned == row.elements // 2 for row in rows)
        clean = npr.load_network("digits").model
        assert pruned.prunable == npr.rank(clean, "connection", p_prune={"*": 0.5}, floor=0.25)
