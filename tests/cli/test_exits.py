"""Whatever ends a run early, its exit code says so: a network's sys.exit, SIGTERM, SIGHUP."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from network_prune.core.ending import SIGNALS, ends_in_order, put_off

LEAVING = """
import sys
from torch import nn, autograd

PLACE = {place!r}
def leave(place):
    if place == PLACE:
        {leave}

leave("import")

class Step(autograd.Function):
    @staticmethod
    def forward(context, x):
        return x * 1

    @staticmethod
    def backward(context, slope):
        leave("backward")
        return slope

class Net(nn.Module):
    calls = 0
    preprocessing = {{"resize": 8, "crop": 8, "mean": [0.5], "std": [0.5]}}

    def __init__(self):
        super().__init__()
        leave("constructor")
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(144, 10)
        self.conv.register_forward_hook(lambda *_: leave("hook"))

    def forward(self, x):
        leave("forward")
        self.calls += 1
        if self.calls > 3:
            leave("later forward")
        return self.fc(self.conv(Step.apply(x)).flatten(1))

    def train(self, mode=True):
        leave("train")
        return super().train(mode)

    def __deepcopy__(self, memo):
        leave("copy")
        twin = self.__new__(type(self), memo)
        twin.__dict__ = dict(self.__dict__)
        return twin

def make():
    leave("entry")
    return Net()
"""
EVAL = ("eval", "--data=digits", "--limit=200", "--p-prune=0.1", "--workers=0")
TRANSFER = (
    "transfer",
    "--data=digits",
    "--limit=4",
    "--passes=2",
    "--image-size=8",
    "--augmentation=none",
)


def leaving(tmp_path, place, leave="sys.exit(0)"):
    (tmp_path / "net.py").write_text(LEAVING.format(place=place, leave=leave))
    return f"{tmp_path / 'net.py'}:make"


@pytest.mark.parametrize(
    "place",
    ["import", "entry", "constructor", "train", "forward", "hook", "later forward", "copy"],
)
def test_a_network_that_exits_is_a_failed_run(refused, tmp_path, place):
    line = refused(*EVAL, "--arch", leaving(tmp_path, place), code=1)
    assert "net.py:8 (leave) wants to end the program (SystemExit: 0)" in line


@pytest.mark.parametrize(
    "leave", ["raise GeneratorExit", "raise BaseExceptionGroup('', [SystemExit()])"]
)
def test_other_ways_to_exit_are_failed_runs(refused, tmp_path, leave):
    line = refused(*EVAL, "--arch", leaving(tmp_path, "forward", leave), code=1)
    assert "net.py:8 (leave) wants to end the program" in line


@pytest.mark.parametrize("place", ["later forward", "backward"])
def test_a_surrogate_that_exits_is_a_failed_run(refused, tmp_path, place):
    spec = leaving(tmp_path, place)
    line = refused(*TRANSFER, "--surrogate", spec, "--victim", "digits-plain", code=1)
    assert "(leave) wants to end the program" in line


def test_one_of_several_networks_that_exits_leaves_the_others(run, tmp_path):
    outcome = run(*EVAL, "--arch", leaving(tmp_path, "forward"), "--arch", "digits")
    assert outcome.code == 1
    assert "wants to end the program" in outcome.out
    assert "| digits " in outcome.out
    assert "1 of 2 networks failed" in outcome.err


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    data = tmp_path_factory.mktemp("pictures")
    for label in range(10):
        folder = data / str(label)
        folder.mkdir()
        for number in range(60):
            Image.fromarray(np.full((90, 90), 20 * label, np.uint8)).save(folder / f"{number}.png")
    return data


@pytest.fixture
def temporary():
    """A folder for temporary files whose path is short, as those of sockets have to be."""
    with tempfile.TemporaryDirectory(prefix="np-") as folder:
        yield folder


@pytest.fixture
def started(tmp_path, pictures, temporary, request):
    """A sweep in processes of its own that has begun to read, its temporary files in a folder."""
    options = ("--data", pictures, "--out", tmp_path / "run", "--batch-size=4", "--workers=2")
    process = subprocess.Popen(
        [sys.executable, "-m", "network_prune", "sweep", *map(str, options), "--draws=40"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": temporary},
    )
    assert any(line.startswith("| network") for line in process.stdout)
    if hasattr(request, "param"):
        time.sleep(request.param)
    else:
        wait_for_workers(process)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()


def wait_for_workers(process):
    """Wait until a process has begun to read by two others."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while children.exists() and len(children.read_text().split()) < 2:
        time.sleep(0.05)
    time.sleep(0.5)


def check_ended(process, temporary, number):
    """It ended by the signal, and neither workers nor temporary files are left."""
    assert process.returncode == 128 + number
    assert os.listdir(temporary) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


@pytest.mark.parametrize("number", [each for each in SIGNALS if each != signal.SIGHUP])
def test_a_signal_ends_a_sweep_in_order(started, temporary, number):
    started.send_signal(number)
    _, err = started.communicate(timeout=60)
    check_ended(started, temporary, number)
    where, told = err.splitlines()[-2:]
    assert "the same command goes on from there" in where
    assert told.startswith(f"network-prune: error: ended by {number.name}; the network")
    assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("started", [0.3 * step for step in range(20)], indirect=True)
def test_sigterm_at_any_moment_ends_a_sweep_in_order(started, temporary):
    started.send_signal(signal.SIGTERM)
    _, err = started.communicate(timeout=60)
    check_ended(started, temporary, signal.SIGTERM)
    assert "Traceback" not in err


def test_a_sweep_ends_in_order_with_its_terminal(started, temporary):
    # Stopped, it doesn't find the terminal gone before the signal comes that says so.
    started.send_signal(signal.SIGSTOP)
    started.stdout.close()
    started.stderr.close()
    started.send_signal(signal.SIGHUP)
    started.send_signal(signal.SIGCONT)
    started.wait(timeout=60)
    check_ended(started, temporary, signal.SIGHUP)


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for a process under /proc")
def test_ctrl_c_ends_what_a_script_started_in_the_background(tmp_path):
    script = f"{sys.executable} -m network_prune sweep --out {tmp_path / 'run'} --draws 400 & wait"
    with subprocess.Popen(
        ["sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as shell:
        assert any(line.startswith("| network") for line in shell.stdout)
        (child,) = Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGINT)
        _, err = shell.communicate(timeout=60)
    assert "the same command goes on from there" in err
    assert "network-prune: error: interrupted" in err


def test_signals_are_the_systems_again_after_a_command(run):
    numbers = (signal.SIGINT, *SIGNALS)
    before = [signal.getsignal(number) for number in numbers]
    run("records", "no/where")
    assert [signal.getsignal(number) for number in numbers] == before


def test_the_first_signal_ends_and_later_ones_wait():
    with ends_in_order() as ending:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
    assert ending.received == signal.SIGTERM


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ends_in_order() as ending:
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert ending.received is None


def test_a_signal_waits_for_workers_to_start():
    went_on = []

    def start():
        with put_off():
            signal.raise_signal(signal.SIGTERM)
            went_on.append(True)

    with ends_in_order() as ending:
        with pytest.raises(KeyboardInterrupt):
            start()
        assert signal.getsignal(signal.SIGTERM) is ending
    assert went_on == [True]
