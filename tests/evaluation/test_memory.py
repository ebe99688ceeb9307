"""Memory is kept where it was asked for, and given back."""

import sys

import pytest

import network_prune
from network_prune.cli.main import main
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
        with memory.kept_memory(), memory.kept_memory("cpu"):
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
        with memory.kept_memory():
            pass
    finally:
        monkeypatch.undo()
        memory._glibc.cache_clear()


def test_networks_on_other_devices_leave_the_process_alone(libc):
    with memory.kept_memory("cuda"):
        pass
    assert libc.calls == []


def test_the_command_line_keeps_memory_and_evaluate_does_not(libc, capsys):
    network = network_prune.load_network("digits")
    data = network_prune.load_data("fake:4", transform=network.preprocessing.transform())
    network_prune.evaluate(network.model, data)
    assert libc.calls == []
    with pytest.raises(SystemExit):
        main(["eval", "--data", "fake:4", "--device", "cpu"])
    assert libc.calls[0] == (-1, 2**31 - 1)
    assert libc.calls[-1] == "trim"
