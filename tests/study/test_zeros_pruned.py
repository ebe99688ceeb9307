"""A variant that prunes only what is zero is the dense network, and isn't computed."""

import pytest
import torch
from safetensors.torch import save_file

import network_prune as npr
from network_prune.evaluation.runner import Runner

FEW = {"limit": 48, "batch_size": 16, "data": "digits"}


@pytest.fixture
def half(tmp_path):
    """A file of the embedded network's weights, half of them zero, some of these negative."""
    model = npr.load_network("digits").model
    with npr.prune_weights(model, p_prune=0.5):
        npr.make_permanent(model)
    with torch.no_grad():
        for parameter in model.parameters():
            flat = parameter.view(-1)
            zeros = (flat == 0).nonzero().flatten()[::2]
            flat[zeros] = -0.0
    path = tmp_path / "half.safetensors"
    save_file(model.state_dict(), path)
    return path


@pytest.fixture
def computed(monkeypatch):
    """The number of batches that were computed."""
    calls = []
    call = Runner.__call__
    monkeypatch.setattr(Runner, "__call__", lambda self, b: calls.append(0) or call(self, b))
    return calls


def figures(record):
    return {**record["metrics"], "difference": record["difference"]}


@pytest.mark.parametrize("speed", [{}, {"fold": False, "channels_last": False}])
def test_its_figures_are_those_that_computing_gives(half, computed, monkeypatch, speed):
    plan = {**FEW, **speed, "weights": str(half), "method": "weights", "p_prune": [0.3, 0.7]}
    dense, zeros, more = npr.sweep(plan, progress=False)
    passes = len(computed)
    assert zeros["realised"]["newly_zeroed"] == 0 < more["realised"]["newly_zeroed"]
    assert zeros["metrics"] == dense["metrics"] != more["metrics"]
    assert zeros["difference"]["acc1_difference"] == 0.0
    assert any("zero before" in line for line in zeros["realised"]["warnings"])
    monkeypatch.setattr("network_prune.evaluation.switch.prunes_only_zeros", lambda *_: False)
    again = npr.sweep(plan, progress=False)
    assert list(map(figures, again)) == list(map(figures, (dense, zeros, more)))
    assert [record["key"] for record in again] == [r["key"] for r in (dense, zeros, more)]
    assert len(computed) - passes == passes + 48 // 16


def test_norms_that_are_silenced_too_are_computed(half, computed):
    plan = {**FEW, "weights": str(half), "method": "neurons", "p_prune": 0.05, "with_norm": True}
    npr.sweep({**plan, "p_bern": 0.0}, progress=False)
    before = len(computed)
    _, silenced = npr.sweep(plan, progress=False)
    assert len(computed) - before >= 2 * 3
    assert silenced["variant"]["with_norm"]


def test_what_was_recorded_of_the_dense_network_serves_later_runs(half, computed, tmp_path):
    plan = {**FEW, "weights": str(half), "method": "weights"}
    npr.sweep({**plan, "p_prune": 0.7}, out=tmp_path / "study", progress=False)
    before = len(computed)
    study = npr.sweep({**plan, "p_prune": 0.3}, out=tmp_path / "study", progress=False)
    assert study[-1]["metrics"] == study[0]["metrics"]
    assert len(computed) - before <= 2  # looks at the first images, of which there are 3 batches
