"""Which cluster, what a task takes of it, and what Ray is told: nothing of this needs Ray."""

import pytest

from network_prune.errors import ArgumentError
from network_prune.study.engines.cluster import Cluster, _send_no_reports

OFF, URL = "RAY_USAGE_STATS_ENABLED", "RAY_USAGE_STATS_REPORT_URL"


class Nodes:
    """A cluster of machines with so many cores and GPUs, one of which is gone."""

    def __init__(self, *machines):
        self._machines = machines

    def nodes(self):
        there = [{"CPU": float(cpus), "GPU": float(gpus)} for cpus, gpus in self._machines]
        gone = {"Resources": {"CPU": 64.0, "GPU": 8.0}, "Alive": False}
        return [gone, *({"Resources": each, "Alive": True} for each in there)]


@pytest.mark.parametrize(
    ("cluster", "slots"),
    [
        (Cluster(), 7),
        (Cluster(cpus=2), 3),
        (Cluster(gpus=1), 3),
        (Cluster(gpus=0.5), 6),
        (Cluster(cpus=4, gpus=1), 1),
    ],
)
def test_slots_are_what_each_machine_has_room_for(cluster, slots):
    assert cluster.check_slots(Nodes((3, 1), (4, 2))) == slots


def test_a_task_that_fits_no_machine_is_refused():
    with pytest.raises(
        ArgumentError, match=r"has 8 cores and 0 GPUs.*largest have 4 and 2: pass f"
    ):
        Cluster(cpus=8).check_slots(Nodes((3, 1), (4, 2)))


def test_tasks_run_on_gpus_if_they_have_any():
    assert Cluster().device("auto") == Cluster().device("cpu") == "cpu"
    assert Cluster(gpus=0.5).device("auto") == Cluster(gpus=1).device("cuda") == "cuda"
    for cluster, device in [(Cluster(), "cuda"), (Cluster(gpus=1), "cpu"), (Cluster(), "cuda:1")]:
        with pytest.raises(ArgumentError, match=f"device='{device}' doesn't go with num_gpus_per"):
            cluster.device(device)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"address": ""}, "is no address"),
        ({"address": "ray://head:10001"}, "is no address of a cluster; pass auto, or HOST:PORT"),
        ({"cpus": 0}, "num_cpus_per_task=0 is too few"),
        ({"gpus": -1.0}, "num_gpus_per_task=-1.0 can't be had"),
        ({"gpus": 1.5}, "pass a whole number, or a share"),
        ({"gpus": float("nan")}, "num_gpus_per_task=nan can't be had"),
    ],
)
def test_wrong_values_are_refused(values, why):
    with pytest.raises(ArgumentError, match=why):
        Cluster(**values)


def test_reports_are_off_unless_the_user_has_said_what_becomes_of_them():
    nothing_said, is_on, elsewhere = {}, {OFF: "1"}, {OFF: "0", URL: "http://mine"}
    for environment in (nothing_said, is_on, elsewhere):
        _send_no_reports(environment)
    assert nothing_said == {OFF: "0", URL: "http://127.0.0.1:9"}
    assert is_on == {OFF: "1"}
    assert elsewhere == {OFF: "0", URL: "http://mine"}


def test_where_tasks_run_is_told(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert str(Cluster()) == "on this machine, 1 core a task"
    assert str(Cluster("auto", 2, 0.5)) == "at auto, 2 cores and 0.5 GPUs a task"
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert str(Cluster()) == "at head:6379, 1 core a task"
