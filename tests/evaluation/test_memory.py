"""What surrounds a network while it is evaluated: the process's memory, and nothing left behind."""

import sys

import pytest
import torch
from torch import nn

from network_prune.evaluation import memory


class Recorder:
    def __init__(self):
        self.calls = []

    def mallopt(self, option, value):
        self.calls.append((option, value))

    def malloc_trim(self, pad):
        self.calls.append("trim")


@pytest.fixture
def libc(monkeypatch):
    found = Recorder()
    monkeypatch.setattr(memory, "_glibc", lambda: found)
    return found


def test_memory_is_kept_by_the_outermost_alone_and_given_back_after_an_error(libc):
    def fail_inside():
        with memory.kept_memory(nn.Linear(2, 2)), memory.kept_memory(nn.Linear(2, 2)):
            assert libc.calls == [(-1, 2**31 - 1), (-4, 0)]
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert libc.calls[2:] == [(-3, 32 << 20), (-1, 64 << 20), (-4, 65536), "trim"]


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    memory._glibc.cache_clear()
    try:
        assert memory._glibc() is None
        with memory.kept_memory(nn.Linear(2, 2)):
            pass
    finally:
        monkeypatch.undo()
        memory._glibc.cache_clear()


def test_networks_on_other_devices_leave_the_process_alone(libc):
    with memory.kept_memory(nn.Linear(2, 2, device="meta")):
        pass
    assert libc.calls == []


def test_a_network_is_in_eval_mode_and_without_gradients_meanwhile():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout()).train()
    with memory.running(model):
        assert not model[1].training
        assert not torch.is_grad_enabled()
    assert model[1].training
    assert torch.is_grad_enabled()
