"""Ctrl-C while workers start ends the run, not a hook that nobody looks at."""

import signal
import subprocess
import sys
import threading

import pytest

from network_prune.core.workers import start

PRESSED_WHILE_FORKING = """
import os, signal, sys
import torch
from torch.utils.data import DataLoader, TensorDataset
from network_prune import evaluate

signal.signal(signal.SIGINT, signal.default_int_handler)
# A signal that comes while a process forks is looked at in the hook after it, where what it
# raises is dropped.
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))
data = TensorDataset(torch.zeros(8, 3, 4, 4), torch.zeros(8, dtype=torch.int64))
model = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 4), torch.nn.Flatten())
if sys.argv[1] == "dataset":
    evaluate(model, data, batch_size=2, workers=2)
else:
    evaluate(model, DataLoader(data, 2, num_workers=2))
print("went on")
"""


@pytest.mark.parametrize("given", ["dataset", "loader"])
def test_a_press_while_workers_start_is_not_lost(given):
    command = [sys.executable, "-c", PRESSED_WHILE_FORKING, given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "went on" not in done.stdout
    assert done.stderr.strip().endswith("KeyboardInterrupt")


class Pressing:
    def __iter__(self):
        signal.raise_signal(signal.SIGINT)
        self.finished = True
        return iter(())


def test_what_starts_is_finished_first():
    batches = Pressing()
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            start(batches)
        assert batches.finished
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_handler_of_the_callers_own_is_left_alone():
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(1))
    try:
        assert list(start(Pressing())) == []
    finally:
        signal.signal(signal.SIGINT, before)
    assert pressed == [1]


def test_other_threads_start_as_ever():
    found = []
    thread = threading.Thread(target=lambda: found.extend(start([1, 2])))
    thread.start()
    thread.join()
    assert found == [1, 2]
