"""Records of studies that share what comes before a layer are those of studies that don't."""

import os
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file

import network_prune
from network_prune.evaluation import one_pass
from network_prune.evaluation.one_pass import HELD_BYTES
from network_prune.evaluation.shared_prefix.prefix import SharedPrefix
from network_prune.study.running import pass_run

FOLDER = os.environ.get("NETWORK_PRUNE_TEST_DATA")
ALONE = {"scope": "alone", "method": "connections", "p_prune": 0.4, "workers": 0}


@pytest.fixture
def spied(monkeypatch):
    """Which steps variants went on from, and all that shared."""
    went, start, begun = [], SharedPrefix._from, SharedPrefix.__init__
    shared = []

    def go(self, step, *rest):
        went.append(step)
        return start(self, step, *rest)

    def begin(self, runner):
        shared.append(self)
        begun(self, runner)

    monkeypatch.setattr(SharedPrefix, "_from", go)
    monkeypatch.setattr(SharedPrefix, "__init__", begin)
    return went, shared


def assert_same_records(plan, spied, monkeypatch, *, cuts=2):
    went, shared = spied
    found = network_prune.sweep({**ALONE, **plan}, progress=False)
    assert len(set(went)) >= cuts
    assert not any(each._given_up for each in shared)
    went.clear()
    with monkeypatch.context() as patch:
        patch.setattr(SharedPrefix, "may_help", lambda *_: False)
        wanted = network_prune.sweep({**ALONE, **plan}, progress=False)
    assert not went
    assert list(found) == list(wanted)


@pytest.mark.parametrize(
    ("arch", "layers", "cuts"),
    [("digits", "conv2d,linear", 5), ("digits-plain", "conv2d,linear", 2),
     ("digits-attention", "conv2d,linear", 5), ("digits-mixer", "conv2d,linear", 5)],
)  # fmt: skip
def test_embedded_networks_have_the_same_records(arch, layers, cuts, spied, monkeypatch):
    plan = {"arch": arch, "layers": layers, "limit": 100, "batch_size": 40, "method": "weights"}
    assert_same_records({**plan, "p_prune": [0.5, 0.8]}, spied, monkeypatch, cuts=cuts)


@pytest.mark.parametrize(
    "more", [{"fold": False, "channels_last": False}, {"dtype": "bfloat16"}, {"draws": 2}]
)
def test_settings_have_the_same_records(more, spied, monkeypatch):
    plan = {"limit": 100, "batch_size": 40, "p_bern": 0.5, "method": "neurons"}
    assert_same_records({**plan, **more}, spied, monkeypatch)


@pytest.mark.parametrize(
    ("arch", "include"), [("resnet18", ["layer*"]), ("mobilenet_v2", ["features.[2-9].*"])]
)
def test_public_networks_have_the_same_records(arch, include, spied, monkeypatch, tmp_path):
    torch.manual_seed(0)
    weights = tmp_path / "random.safetensors"
    save_file(getattr(torchvision.models, arch)(weights=None).state_dict(), weights)
    plan = {"arch": arch, "weights": str(weights), "data": "fake:10", "batch_size": 4}
    plan |= {"resize": 40, "crop": 40, "include": include}
    assert_same_records(plan, spied, monkeypatch, cuts=15)


@pytest.mark.skipif(FOLDER is None, reason="NETWORK_PRUNE_TEST_DATA names no folder")
def test_the_real_squeezenet_has_the_same_records(spied, monkeypatch):
    folder = Path(FOLDER)
    plan = {
        "arch": "squeezenet1_0",
        "weights": str(folder / "squeezenet1_0-deep-compression.safetensors"),
        "data": str(folder / "imagenet-compatible" / "images.csv"),
        "limit": 10,
        "batch_size": 4,
        "p_prune": 0.9,
        "include": ["features.[3-9].*"],
    }
    assert_same_records({**plan, "resize": 96, "crop": 96}, spied, monkeypatch, cuts=5)


def test_variants_that_differ_from_a_layer_on_share_what_comes_before(spied, monkeypatch):
    plan = {"scope": "global", "include": ["layer2.*"], "p_prune": [0.3, 0.6], "limit": 60}
    assert_same_records({**plan, "batch_size": 20}, spied, monkeypatch, cuts=1)


def test_a_global_sweep_is_run_as_it_was(spied):
    went, _ = spied
    network_prune.sweep({**ALONE, "scope": "global", "limit": 30}, progress=False)
    assert not went


@pytest.mark.parametrize("scope", ["alone", "global"])
def test_fewer_images_are_held_where_values_are_kept(scope, monkeypatch):
    held = []

    def chunks(batches, held_bytes=HELD_BYTES):
        held.append(held_bytes)
        yield from one_pass.chunks(batches, held_bytes)

    monkeypatch.setattr(pass_run, "chunks", chunks)
    network_prune.sweep({**ALONE, "scope": scope, "limit": 20}, progress=False)
    assert held == [{"alone": 32 << 20, "global": 256 << 20}[scope]]
