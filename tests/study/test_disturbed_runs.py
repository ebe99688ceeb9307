"""Sweeps that are killed, interrupted or refused by the disk end as undisturbed ones."""

import io
import itertools
import json
import os
import random
import re
import signal
import time

import pytest

from network_prune.cli.main import main
from network_prune.errors import NetworkPruneError
from network_prune.evaluation import one_pass
from network_prune.results.records import FILE
from network_prune.study.running import state_file
from network_prune.study.sweep import sweep
from tests.study.small_grid import GRID

# What a process ends with that is stopped by a signal, or has come to its end before.
ENDS = {
    signal.SIGKILL: {-signal.SIGKILL, 0},
    signal.SIGINT: {130, 0},
    signal.SIGTERM: {128 + signal.SIGTERM, -signal.SIGTERM, 0},
}


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    """Write down what is done after every batch and variant."""
    monkeypatch.setattr(one_pass.chunks, "__defaults__", (1,))
    monkeypatch.setattr(state_file, "SECONDS_BETWEEN", 0.0)


def check_as_undisturbed(folder, undisturbed):
    """Finish the run in a folder, and look whether all is there, once."""
    records = sweep(GRID, out=folder)
    assert None not in [records.outcomes(record) for record in records]
    assert {record["key"]: record for record in records} == undisturbed
    lines = (folder / FILE).read_text().splitlines()
    assert len(lines) == len({json.loads(line)["key"] for line in lines}) == len(undisturbed)
    assert {path.name for path in folder.iterdir()} == {FILE, "outcomes.jsonl", "records.lock"}


def stop_runs(folder, kind, times, seed):
    """Start the command in forks and send each a signal at a random moment; return the ends."""
    chance = random.Random(seed)
    plan = folder / "plan.json"
    plan.write_text(json.dumps(GRID))
    start = time.perf_counter()
    sweep(GRID, out=folder / "timed")
    whole = time.perf_counter() - start
    ends = []
    for _ in range(times):
        child = os.fork()
        if not child:
            _run_command(plan, folder / "stopped")
        time.sleep(chance.uniform(0, 1.2 * whole))
        os.kill(child, kind)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return ends


def _run_command(plan, out):
    """Be the command line until it ends."""
    code = 70
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        main(["sweep", str(plan), "--out", str(out)])
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:  # before the command had begun
        code = 130
    finally:
        os._exit(code)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
@pytest.mark.parametrize(
    ("kind", "times"),
    [
        (signal.SIGKILL, 5),
        (signal.SIGINT, 2),
        (signal.SIGTERM, 2),
        pytest.param(signal.SIGKILL, 200, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 86, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 86, marks=pytest.mark.slow),
    ],
)
def test_runs_stopped_at_any_moment_end_as_an_undisturbed_one(tmp_path, undisturbed, kind, times):
    ends = stop_runs(tmp_path, kind, times, seed=times)
    assert set(ends) <= ENDS[kind]
    check_as_undisturbed(tmp_path / "stopped", undisturbed)


def failure_of(folder):
    """Return what a run in a folder tells that fails, nothing for one that doesn't."""
    try:
        sweep(GRID, out=folder)
    except NetworkPruneError as error:
        return str(error)
    return ""


class FullDisk:
    """Lets the operations on files in a folder fail from one of them on, for a number of times.

    Args:
        patch: undoes it all at the end.
        folder: where.
        good: how many operations go well before.
        bad: how many fail then.
    """

    def __init__(self, patch, folder, good, bad):
        self.folder = os.fspath(folder)
        self.failing = range(good, good + bad)
        self.calls = itertools.count()
        self.failed = 0
        for module, name in [
            *((os, name) for name in ("write", "fsync", "ftruncate", "replace", "open")),
            (io, "open"),
        ]:
            patch.setattr(module, name, self.guarded(getattr(module, name)))

    def guarded(self, do):
        def guard(target, *args, **kwargs):
            if self.is_inside(target) and next(self.calls) in self.failing:
                self.failed += 1
                raise OSError(28, "No space left on device")
            return do(target, *args, **kwargs)

        return guard

    def is_inside(self, target):
        path = f"/proc/self/fd/{target}" if isinstance(target, int) else os.fspath(target)
        return os.path.realpath(path).startswith(self.folder)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
@pytest.mark.parametrize("step", [70, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("bad", [1, 1000])
def test_a_disk_that_fails_anywhere_is_told_and_the_run_goes_on(
    tmp_path, monkeypatch, undisturbed, step, bad
):
    failures = []
    for good in itertools.count(0, step):
        out = tmp_path / str(good)
        with monkeypatch.context() as patch:
            disk = FullDisk(patch, out, good, bad)
            failure = failure_of(out)
        check_as_undisturbed(out, undisturbed)
        if not disk.failed:
            break
        failures.append(failure)
    # The lock is tried once more.
    assert len(failures) > 2
    told = re.compile(f"cannot (write|read) {re.escape(str(tmp_path))}")
    assert all(map(told.match, filter(None, failures)))
    assert not list(tmp_path.glob("*-rescued-*"))  # for want of changes by others
    assert failures.count("") <= (bad == 1)
