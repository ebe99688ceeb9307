"""The table that shows what a sweep is at."""

import io
import re
import sys

import pytest
from rich.console import Console

from network_prune.cli.runs.live import LiveTable
from network_prune.evaluation.metrics import Metrics
from network_prune.evaluation.variant import Network
from network_prune.study.events import Advanced, Recorded, Started
from network_prune.study.plan import make_plan

NETWORK, OTHER = Network("digits", "default"), Network("resnet18", "none")


def screen(table, console):
    with console.capture() as capture:
        console.print(table._render())
    return [line.rstrip() for line in capture.get().splitlines() if line.strip()]


@pytest.fixture
def console():
    return Console(file=io.StringIO(), force_terminal=True, color_system=None, width=120, height=10)


def variants(count):
    plan = make_plan({"p_prune": [(i + 1) / 100 for i in range(count)]})
    return next(iter(plan.variants.values()))


def test_rows_fill_in_and_leave_when_they_are_recorded(console):
    (variant,) = variants(1)
    table = LiveTable({NETWORK: 2, OTHER: 2}, console)
    table.take(Started(NETWORK, (None, variant), 0, 40, {}))
    metrics = Metrics(n=20, hits1=10, hits5=15, loss_sum=20 << 32)
    table.take(Advanced(NETWORK, None, metrics))
    lines = screen(table, console)
    assert lines[1].split() == ["dense", "20/40", "1.000", "50.000", "75.000"]
    assert lines[2].split() == ["connections", "0.01", "1", "0/0", "0/40"]
    assert "digits" in lines[3]
    assert "12%" in lines[3]
    table.take(Recorded(NETWORK, None, {}))
    lines = screen(table, console)
    assert lines[1].split()[0] == "connections"
    assert "25%" in lines[2]


def test_the_bar_counts_what_is_recorded_already_and_networks_before(console):
    both = variants(2)
    table = LiveTable({NETWORK: 2, OTHER: 3}, console)
    table.take(Started(OTHER, (None, both[0]), 1, 10, {}))
    assert "60%" in screen(table, console)[-1]


def test_rows_around_the_one_that_is_computed_are_shown_on_a_small_screen(console):
    many = variants(30)
    table = LiveTable({NETWORK: 31}, console)
    table.take(Started(NETWORK, (None, *many), 0, 10, {}))
    table.take(Advanced(NETWORK, many[20], Metrics(n=5, loss_sum=1)))
    shown = screen(table, console)[1:-1]
    assert len(shown) == 4
    assert [line.split()[1] for line in shown] == ["0.19", "0.2", "0.21", "0.22"]


@pytest.mark.parametrize("redirected", [False, True])
def test_a_sweep_on_a_terminal_prints_rows_and_leaves_no_table(
    run, tmp_path, monkeypatch, redirected
):
    monkeypatch.setattr(
        type(sys.stderr), "isatty", lambda self: self is sys.stderr or not redirected
    )
    monkeypatch.setenv("COLUMNS", "60")
    outcome = run("sweep", "--out", tmp_path, "--limit", 40, "--p-prune", 0.2)
    where = outcome.out if redirected else outcome.err
    lines = [re.sub(r"\x1b\[[0-9?]*[A-Za-z]", "", line).strip() for line in where.splitlines()]
    row = r"\| digits \| (\w+)" if redirected else r"(dense|connections) .*\d\.\d{3}"
    rows = [line for line in lines if re.match(row, line)]
    methods = dict.fromkeys(re.match(row, line)[1] for line in rows)
    assert list(methods) == ["dense", "connections"]
    assert (max(map(len, rows)) > 60) == redirected


def test_ctrl_c_prints_what_is_finished_after_the_table_is_gone(run, monkeypatch):
    from network_prune.study.running.network_run import NetworkRun

    recorded, record = [], NetworkRun._finish

    def interrupt(self, key, *others):
        if recorded:
            raise KeyboardInterrupt
        recorded.append(key)
        record(self, key, *others)

    monkeypatch.setattr(NetworkRun, "_finish", interrupt)
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: True)
    outcome = run("eval", "--limit", 8, "--p-prune", 0.2, "--p-prune", 0.4)
    assert outcome.code == 130
    assert "95% intervals over 8 images" in outcome.out
