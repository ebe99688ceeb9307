"""Ctrl-C while workers start ends the run, not a hook that nobody looks at."""

import signal
import subprocess
import sys
import threading
from multiprocessing.queues import Queue

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from network_prune.core import workers
from network_prune.core.workers import start
from network_prune.errors import RunError

PRESSED_WHILE_FORKING = """
import os, signal
import torch
from torch.utils.data import DataLoader, TensorDataset
from network_prune import evaluate

signal.signal(signal.SIGINT, signal.default_int_handler)
# A signal that comes while a process forks is looked at in the hook after it, where what it
# raises is dropped.
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))
data = TensorDataset(torch.zeros(8, 3, 4, 4), torch.zeros(8, dtype=torch.int64))
model = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 4), torch.nn.Flatten())
try:
    evaluate(model, data, batch_size=2, workers=2)
except KeyboardInterrupt:
    print("a dataset's was seen")
evaluate(model, DataLoader(data, 2, num_workers=2))
print("went on")
"""


def test_a_press_while_workers_start_is_not_lost():
    command = [sys.executable, "-c", PRESSED_WHILE_FORKING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "a dataset's was seen\n"
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


@pytest.mark.parametrize("is_ending", [False, True])
def test_a_worker_tells_what_it_cant_send_unless_its_parent_ends(monkeypatch, tmp_path, is_ending):
    told = []
    folder = tmp_path / "gone" if is_ending else tmp_path
    monkeypatch.setattr(workers, "get_temp_dir", lambda: folder)
    monkeypatch.setattr(workers, "_tell_always", lambda *error: told.append(error))
    monkeypatch.setattr(Queue, "_on_queue_feeder_error", None)
    monkeypatch.setattr("sys.excepthook", None)
    workers.say_nothing_at_the_end(0)
    Queue._on_queue_feeder_error(OSError(), "a batch")
    assert len(told) == (not is_ending)


def test_a_folder_with_too_long_a_path_for_sockets_is_refused(monkeypatch):
    """Workers would fail to send there, and who waits for them wait forever."""
    batches = DataLoader(TensorDataset(torch.zeros(2)), num_workers=1)
    monkeypatch.setattr(workers, "get_temp_dir", lambda: "/" + 89 * "x")
    with pytest.raises(RunError, match=r"path of 90 bytes .* at most 89; set TMPDIR to a shorter"):
        start(batches)
    monkeypatch.setattr(workers, "get_temp_dir", lambda: "/" + 88 * "x")
    assert len(list(start(batches))) == 2
