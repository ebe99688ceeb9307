"""Whole networks through the command line, with attention and linear maps."""

import json

import pytest


@pytest.mark.parametrize("method", ["weights", "connections", "neurons"])
@pytest.mark.parametrize("network", ["timm:test_vit", "timm:test_convnext"])
def test_a_vision_transformer_and_a_convnext(run, network, method):
    outcome = run(
        *("eval", "--arch", network, "--weights", "none", "--data", "fake:16"),
        *("--layers", "conv2d,linear", "--method", method, "--p-prune", 0.5, "--p-bern", 0.5),
        *("--draws", 2, "--json"),
    )
    assert outcome.code == 0, outcome
    dense, first, second = json.loads(outcome.out)
    assert dense["variant"] is None
    for draw in (first, second):
        assert draw["metrics"]["n"] == 16
        assert draw["metrics"]["non_finite"] == 0
        kinds = {layer["name"].rpartition(".")[2] for layer in draw["realised"]["layers"]}
        assert len(kinds) > 3
        assert draw["realised"]["pruning_ratio"] == pytest.approx(0.25, abs=0.03)
    assert first["draw_sha256"] != second["draw_sha256"]
