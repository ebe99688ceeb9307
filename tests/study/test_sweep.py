"""Sweeps: what single evaluations give, recorded once, whatever interrupts them."""

import json
import os
import random
import signal
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

import network_prune as npr
from network_prune.errors import NetworkPruneError
from network_prune.study import passes
from network_prune.study.draws import evaluate_draws
from network_prune.study.plan import make_plan
from network_prune.study.records import FILE, RecordFile, read_records
from network_prune.study.sweep import Failed, sweep

GRID = {
    "method": ["weights", "neurons"],
    "p_prune": [0.2, 0.4],
    "p_bern": [1, 0.5],
    "draws": 2,
    "limit": 60,
    "batch_size": 16,
}
COUNTS = ("n", "hits1", "hits5", "loss_sum", "loss_square_sum")


def counts(metrics):
    return tuple(metrics[name] for name in COUNTS)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return the records of the grid, by key."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return {record["key"]: record for record in sweep(GRID, out=folder)}


# --- figures ------------------------------------------------------------------------------


@pytest.mark.parametrize("speed", [{}, {"fold": False, "channels_last": False}])
@pytest.mark.parametrize("with_norm", [False, True])
def test_figures_are_those_of_single_evaluations_to_the_last_bit(tmp_path, speed, with_norm):
    records = sweep({**GRID, **speed, "with_norm": with_norm}, out=tmp_path)
    assert len(records) == 1 + 2 * 2 * 3
    network = npr.load_network("digits")
    data = npr.load_data("digits", transform=network.preprocessing.transform(), limit=60)
    dense = npr.evaluate(network.model, data, batch_size=16, **speed).to_dict()
    assert counts(records[0]["metrics"]) == counts(dense)
    for record in records[1:]:
        variant = record["variant"]
        granularity = variant["method"].rstrip("s")
        prunable = npr.rank(network.model, granularity, p_prune=variant["p_prune"])
        (single,) = evaluate_draws(
            network.model,
            prunable,
            data,
            p_bern=variant["p_bern"],
            seed=0,
            indices=range(variant["index"], variant["index"] + 1),
            with_norm=variant["with_norm"],
            batch_size=16,
            **speed,
        )
        assert counts(record["metrics"]) == counts(single.metrics.to_dict())
        assert record["draw_sha256"] == single.sha256
        assert record["pruning"] == single.summary.to_dict()
        gained = record["metrics"]["hits1"] - dense["hits1"]
        difference = record["difference"]
        assert difference["gained1"] - difference["lost1"] == gained
        assert difference["loss_sum"] == record["metrics"]["loss_sum"] - dense["loss_sum"]


@pytest.mark.parametrize("held_bytes", [1, 40_000])
def test_figures_dont_hang_on_how_much_is_held(tmp_path, monkeypatch, undisturbed, held_bytes):
    monkeypatch.setattr(passes.chunks, "__defaults__", (held_bytes,))
    assert {record["key"]: record for record in sweep(GRID, out=tmp_path)} == undisturbed


def test_each_image_is_read_once(tmp_path, monkeypatch):
    from network_prune.sources.images import ArrayImages

    read = []
    original = ArrayImages.read
    monkeypatch.setattr(ArrayImages, "read", lambda self, i: (read.append(i), original(self, i))[1])
    sweep(GRID, out=tmp_path)
    assert len(read) == len(set(read)) == 60


# --- resuming -----------------------------------------------------------------------------


def test_a_second_run_evaluates_nothing(tmp_path, monkeypatch):
    first = sweep(GRID, out=tmp_path)
    content = (tmp_path / FILE).read_bytes()
    monkeypatch.setattr("network_prune.study.sweep.evaluate_chunk", None)
    assert sweep(GRID, out=tmp_path) == first
    assert (tmp_path / FILE).read_bytes() == content
    assert not list(tmp_path.glob("partial-*"))


def test_a_grid_may_grow_in_the_same_folder(tmp_path, undisturbed):
    small = {**GRID, "method": "weights", "p_prune": 0.4}
    assert len(sweep(small, out=tmp_path)) == 4
    told = []
    grown = sweep(GRID, out=tmp_path, told=told.append)
    assert {record["key"]: record for record in grown} == undisturbed
    assert len(told) == len(undisturbed) - 4
    assert len(read_records(tmp_path)) == len(undisturbed)


def test_an_interrupted_pass_goes_on_at_its_last_chunk(tmp_path, monkeypatch, undisturbed):
    monkeypatch.setattr(passes.chunks, "__defaults__", (1,))
    original = passes.evaluate_chunk
    seen = []

    def interrupted(chunk, computers):
        seen.append(len(chunk))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return original(chunk, computers)

    monkeypatch.setattr("network_prune.study.sweep.evaluate_chunk", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep(GRID, out=tmp_path)
    assert {record["key"]: record for record in sweep(GRID, out=tmp_path)} == undisturbed
    assert len(seen) == 3 + 2


def _killed_runs(folder, kills, seed):
    """Start the sweep in forks and kill each at a random moment, then run it to its end."""
    chance = random.Random(seed)
    start = time.perf_counter()
    sweep(GRID, out=folder / "timed")
    whole = time.perf_counter() - start
    for _ in range(kills):
        child = os.fork()
        if not child:
            try:
                sweep(GRID, out=folder / "killed")
            finally:
                os._exit(0)
        time.sleep(chance.uniform(0, 1.2 * whole))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return sweep(GRID, out=folder / "killed")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
@pytest.mark.parametrize(("kills", "seed"), [(10, 1), pytest.param(100, 2, marks=pytest.mark.slow)])
def test_runs_killed_at_any_moment_end_as_an_undisturbed_one(
    tmp_path, monkeypatch, undisturbed, kills, seed
):
    monkeypatch.setattr(passes.chunks, "__defaults__", (1,))
    records = _killed_runs(tmp_path, kills, seed)
    assert {record["key"]: record for record in records} == undisturbed
    lines = (tmp_path / "killed" / FILE).read_text().splitlines()
    assert len(lines) == len({json.loads(line)["key"] for line in lines}) == len(undisturbed)


# --- refused ------------------------------------------------------------------------------


def test_changed_weights_under_the_same_name_are_refused(tmp_path):
    from network_prune.sources import digits

    path = tmp_path / "weights.safetensors"
    weights = load_file(digits.WEIGHTS)
    save_file(weights, path)
    plan = {**GRID, "weights": str(path), "p_prune": 0.2, "method": "weights"}
    sweep(plan, out=tmp_path / "study")
    name = next(iter(weights))
    save_file({**weights, name: weights[name] + 1}, path)
    content = (tmp_path / "study" / FILE).read_bytes()
    with pytest.raises(NetworkPruneError, match=r"the weights of digits .* any more; pass another"):
        sweep(plan, out=tmp_path / "study")
    assert (tmp_path / "study" / FILE).read_bytes() == content


def test_changed_images_under_the_same_name_are_refused(tmp_path):
    import numpy as np

    path = tmp_path / "images.npz"
    images = np.arange(8 * 64, dtype=np.uint8).reshape(8, 8, 8)
    labels = np.arange(8)
    np.savez(path, images=images, labels=labels)
    plan = {"data": str(path), "image_column": "images", "label_column": "labels", "p_prune": 0.2}
    sweep(plan, out=tmp_path / "study")
    np.savez(path, images=images + 1, labels=labels)
    with pytest.raises(NetworkPruneError, match=r"the images of .*images.npz aren't those"):
        sweep(plan, out=tmp_path / "study")


def test_a_second_writer_is_refused(tmp_path):
    with RecordFile(tmp_path), pytest.raises(NetworkPruneError, match="another run writes to"):
        sweep(GRID, out=tmp_path)


def test_a_network_that_fails_is_told_and_the_others_go_on(tmp_path):
    told = []
    records = sweep(
        {**GRID, "arch": ["resnet0", "digits"], "p_prune": 0.2}, out=tmp_path, told=told.append
    )
    failures = [event for event in told if isinstance(event, Failed)]
    assert [str(failure.network) for failure in failures] == ["resnet0"]
    assert "resnet0" in str(failures[0].error)
    assert len(records) == 1 + 2 * 3


def test_networks_without_images_of_their_own_are_told(tmp_path):
    told = []
    sweep({"arch": "resnet18", "weights": "none"}, out=tmp_path, told=told.append)
    assert "resnet18 needs labelled images: pass --data" in str(told[0].error)


def test_precisions_that_exclude_each_other_are_refused(tmp_path):
    with pytest.raises(NetworkPruneError, match="dtype='bfloat16' and amp=True exclude"):
        sweep({"dtype": "bfloat16", "amp": True}, out=tmp_path / "study")


def test_the_users_random_numbers_decide_nothing(tmp_path, undisturbed):
    torch.manual_seed(123)
    found = sweep(make_plan(GRID), out=tmp_path)
    assert {record["key"]: record for record in found} == undisturbed
