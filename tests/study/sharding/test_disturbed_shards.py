"""Shards that are killed or ended by a signal at random moments, and run again."""

import json
import os
import random
import signal
import time

import pytest

from network_prune.cli.main import main
from network_prune.evaluation import one_pass
from network_prune.results.records import FILE
from network_prune.study.running import state_file
from network_prune.study.sweep import sweep
from tests.study.small_grid import GRID

CODES = {signal.SIGKILL: {-signal.SIGKILL, 0}, signal.SIGTERM: {143, -signal.SIGTERM, 0}}
SHARDS = 3


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    """Write down what is done after every batch and variant."""
    monkeypatch.setattr(one_pass.chunks, "__defaults__", (1,))
    monkeypatch.setattr(state_file, "SECONDS_BETWEEN", 0.0)


def run_in_child(plan, out, shard):
    """Be the command line until it ends."""
    code = 70
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        main(["sweep", str(plan), "--out", str(out), "--shard", shard])
    except SystemExit as end:
        code = end.code
    finally:
        os._exit(code)


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("times", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_shards_that_are_stopped_at_random_moments_give_the_records_of_one_process(
    tmp_path, undisturbed, kind, times
):
    chance = random.Random(times)
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(GRID))
    start = time.perf_counter()
    sweep(GRID, out=tmp_path / "timed", shard="1/3")
    whole = time.perf_counter() - start
    out, ends = tmp_path / "study", []
    for stop in range(times):
        child = os.fork()
        if not child:
            run_in_child(plan, out, f"{stop % SHARDS + 1}/{SHARDS}")
        time.sleep(chance.uniform(0, 1.2 * whole))
        os.kill(child, kind)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    assert set(ends) <= CODES[kind]
    for number in range(1, SHARDS + 1):
        records = sweep(GRID, out=out, shard=f"{number}/{SHARDS}")
    assert {record["key"]: record for record in records} == undisturbed
    keys = [json.loads(line)["key"] for line in (out / FILE).read_text().splitlines()]
    assert len(keys) == len(set(keys)) == len(undisturbed)
    assert [path.name[:7] for path in (out / "shards").iterdir()] == ["merged-"]
