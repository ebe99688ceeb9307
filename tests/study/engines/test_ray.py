"""Ray: tasks on one machine and on several, some of them lost, record what one process does."""

import shlex
import signal
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil
import pytest

from network_prune.cli.runs.missing import shard_lines
from network_prune.errors import RunError, SourceError
from network_prune.results.records import FILE
from network_prune.study.engines.cluster import Cluster
from network_prune.study.engines.sweep_on_ray import sweep_on_ray
from network_prune.study.events import Failed
from network_prune.study.plan import make_plan
from network_prune.study.sweep import sweep
from tests.grey_pictures import write_pictures
from tests.ray_nodes import NODE, assert_gone
from tests.study.small_grid import GRID

pytest.importorskip("ray", reason="the extra ray isn't installed")

TWO = {**GRID, "arch": ["digits", "digits-plain"], "draws": 1}
NETWORK_PRUNE = (sys.executable, "-m", "network_prune")
CODE = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.default_cfg = {"input_size": (3, 8, 8), "num_classes": 4}

class Fails(Net):
    def forward(self, x):
        if len(x) > 1:
            raise ValueError("of its own")
        return super().forward(x)
"""
# Tells which machine computes which image, and goes on once the other machine is lost.
WAITS = """
import os, time
from pathlib import Path
import torch
from torch import nn

class Waits(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.preprocessing = {{"resize": 8, "crop": 8, "mean": [0.5] * 3, "std": [0.5] * 3}}

    def forward(self, x):
        raylet = os.environ.get("RAY_RAYLET_PID")  # in a task alone
        if raylet and isinstance(x, torch.Tensor):
            with open({log!r}, "a") as file:
                file.write(f"{{raylet}} {{x.sum().item():.2f}}\\n")
            while not Path({lost!r}).exists():
                time.sleep(0.02)
        return super().forward(x)
"""


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    """Return the file of records of one process."""
    folder = tmp_path_factory.mktemp("one")
    sweep(TWO, out=folder)
    return (folder / FILE).read_bytes()


def on_ray(plan, out, told=lambda _: None):
    return sweep_on_ray(make_plan(plan), out=out, cluster=Cluster(), told=told, progress=False)


def command(out, *more):
    options = [
        f"--{name.replace('_', '-')}={each}"
        for name, value in TWO.items()
        for each in (value if isinstance(value, list) else [value])
    ]
    words = ["sweep", *options, "--out", str(out), "--engine", "ray", *more]
    return [*NETWORK_PRUNE, *words]


def wait_for_parts(out, process):
    """Wait until some units are done."""
    while not any(b'"done"' in file.read_bytes() for file in out.glob("shards/*.parts.jsonl")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def is_whole(out, one_process):
    left = [path.name[:7] for path in (out / "shards").iterdir()]
    return (out / FILE).read_bytes() == one_process and left == ["merged-"]


def test_one_machine_records_what_one_process_does_and_goes_on(nodes, tmp_path, one_process):
    study = on_ray(TWO, tmp_path)
    assert len(study) == one_process.count(b"\n")
    assert is_whole(tmp_path, one_process)
    larger = {**TWO, "draws": 2, "grids": [{}, {"arch": "digits", "recalibrate": 20}]}
    whole, again = sweep(larger, out=tmp_path / "one"), on_ray(larger, tmp_path)
    assert list(again) == list(whole)


def test_networks_that_are_recorded_already_keep_no_others_from_being_evaluated(
    nodes, tmp_path, one_process
):
    sweep({**TWO, "arch": TWO["arch"][:1]}, out=tmp_path)
    on_ray(TWO, tmp_path)
    assert is_whole(tmp_path, one_process)


def test_draws_are_compared_as_without_ray(nodes, run, refused, tmp_path):
    few = ("--limit", 32, "--batch-size", 8, "--method", "weights", "--p-prune", 0.3, "--draws", 2)
    words = ("diversity", *few)
    one = run(*words, "--out", tmp_path / "one")
    ray = run(*words, "--out", tmp_path / "ray", "--engine", "ray")
    (table,) = [block for block in one.out.split("\n\n") if "| dropout |" in block]
    assert table in ray.out
    assert (tmp_path / "ray" / FILE).read_bytes() == (tmp_path / "one" / FILE).read_bytes()
    assert "--engine ray needs a folder" in refused(*words, "--engine", "ray")


def test_a_unit_that_is_lost_with_its_machine_is_done_again(nodes, tmp_path):
    log, lost = tmp_path / "log", tmp_path / "lost"
    (tmp_path / "nets.py").write_text(WAITS.format(log=str(log), lost=str(lost)))
    eight = {"arch": f"{tmp_path}/nets.py:Waits", "data": "fake:8", "batch_size": 1}
    plan = {**eight, "p_prune": 0.5, "workers": 0}
    sweep(plan, out=tmp_path / "one")
    second = nodes.add_node(**{k: v for k, v in NODE.items() if k[0] != "i"})
    raylet = str(second.all_processes["raylet"][0].process.pid)

    def started():
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.split() for line in lines]

    def lose():
        until = time.monotonic() + 60
        while not any(node == raylet for node, _ in started()) and time.monotonic() < until:
            time.sleep(0.02)
        tasks = psutil.Process(int(raylet)).children(recursive=True)
        nodes.remove_node(second, allow_graceful=False)
        for task in tasks:  # which could hand over what they have for a moment more
            with suppress(psutil.NoSuchProcess):
                task.kill()
        lost.touch()

    with ThreadPoolExecutor(1) as beside:
        losing = beside.submit(lose)
        on_ray(plan, tmp_path / "ray")
        losing.result()
    raylets = defaultdict(set)
    for node, image in started():
        raylets[image].add(node)
    (lost_unit,) = [found for found in raylets.values() if raylet in found]
    assert len(raylets) == 8
    assert len(lost_unit) == 2
    found, expected = ((tmp_path / name / FILE).read_bytes() for name in ("ray", "one"))
    assert found == expected


def test_a_sender_that_is_killed_goes_on_when_it_is_started_again(
    nodes, run, tmp_path, one_process
):
    joins = command(tmp_path, "--ray-address", nodes.address)
    process = subprocess.Popen(joins, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for_parts(tmp_path, process)
    process.kill()
    process.communicate()
    missing = shard_lines(tmp_path)
    assert "parts are done; what is missing comes with" in missing[0]
    assert missing[1] == f"  {shlex.join(['network-prune', *joins[3:]])}"
    done = run(*command(tmp_path)[3:])
    assert is_whole(tmp_path, one_process)
    assert (done.code, done.err) == (0, "")
    assert done.out.count("| network | method |") == 1


def test_ctrl_c_leaves_no_process_and_says_what_goes_on(nodes, tmp_path, one_process):
    start = command(tmp_path)
    process = subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_parts(tmp_path, process)
    children = psutil.Process(process.pid).children(recursive=True)
    assert {"raylet", "gcs_server"} <= {child.name() for child in children}
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert f"what is finished is in {tmp_path}; the same command goes on" in err
    assert len(err.splitlines()) == 2
    assert_gone(children)
    on_ray(TWO, tmp_path)
    assert is_whole(tmp_path, one_process)


def test_users_networks_travel_and_one_that_fails_is_left_out(nodes, tmp_path):
    file = tmp_path / "nets.py"
    file.write_text(CODE)
    plan = {"arch": [f"{file}:Net", f"{file}:Fails"], "data": "fake:8", "p_prune": 0.5}
    one, ray = [], []
    expected = sweep(plan, out=tmp_path / "one", told=one.append)
    found = on_ray(plan, tmp_path / "ray", ray.append)
    assert list(found) == list(expected)
    assert len(found) == 2
    (failed,) = [event for event in one if isinstance(event, Failed)]
    assert failed in ray


def test_an_image_that_cannot_be_read_is_told_as_without_ray(nodes, tmp_path):
    folder = write_pictures(tmp_path / "images", 4)
    sorted(folder.rglob("*.bmp"))[1].write_bytes(b"no picture")
    plan = {"data": str(folder), "p_prune": 0.2, "workers": 0, "first_label": 0}
    with pytest.raises(SourceError) as expected:
        sweep(plan, out=tmp_path / "one")
    with pytest.raises(SourceError) as found:
        on_ray(plan, tmp_path / "ray")
    assert str(found.value) == str(expected.value)


def test_sensitivity_shows_what_it_does_without_ray(nodes, run, refused, tmp_path):
    words = ("sensitivity", "--limit", 32, "--include", "layer1.*", "--p-prune", 0.5)
    one = run(*words, "--out", tmp_path / "one")
    ray = run(*words, "--out", tmp_path / "ray", "--engine", "ray")
    (table,) = [block for block in one.out.split("\n\n") if "| layer1" in block]
    assert table in ray.out
    assert (tmp_path / "ray" / FILE).read_bytes() == (tmp_path / "one" / FILE).read_bytes()
    assert "--engine ray needs a folder" in refused(*words, "--engine", "ray")


def test_an_address_where_nothing_answers_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"no cluster of Ray's answers at 127\.0\.0\.1:1 "):
        sweep_on_ray(
            make_plan(GRID), out=tmp_path, cluster=Cluster("127.0.0.1:1"), told=pytest.fail
        )
