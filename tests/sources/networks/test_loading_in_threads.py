"""Threads that load networks at once get what each gets alone."""

import threading
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor

import torch

import network_prune as npr
from network_prune.sources.networks.weights.checkpoints import Checkpoint


def in_threads(works) -> list[object]:
    barrier = threading.Barrier(len(works))

    def run(work) -> object:
        barrier.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_random_weights_are_the_same():
    def load() -> str:
        return npr.load_network("shufflenet_v2_x0_5", weights="none").weights_sha256

    alone, state = load(), torch.get_rng_state()
    assert in_threads([load] * 3) == [alone] * 3
    assert torch.equal(torch.get_rng_state(), state)


def test_files_with_settings_beside_weights_are_read(tmp_path):
    kinds = {"args": Namespace(lr=0.1), "when": torch.torch_version.TorchVersion("2.0")}
    for name, value in kinds.items():
        torch.save({"state_dict": {"w": torch.ones(2)}, name: value}, tmp_path / f"{name}.pth")
    works = [lambda name=name: Checkpoint(str(tmp_path / f"{name}.pth")).first for name in kinds]
    before = set(torch.serialization.get_safe_globals())
    for _ in range(20):
        assert all(torch.equal(found["w"], torch.ones(2)) for found in in_threads(works * 2))
    assert set(torch.serialization.get_safe_globals()) == before
