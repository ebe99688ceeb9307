"""``--mlflow`` against a real server, and against servers that are gone or never answer."""

import json
import re
import socket
import time
from importlib.metadata import PackageNotFoundError, version

import pytest

from network_prune.reports.tracking import sender
from network_prune.results.axes import axes
from network_prune.results.records import RecordFile
from network_prune.results.rows import flat_row
from tests.mlflow_server import MlflowServer, free_port

try:
    version("mlflow")
except PackageNotFoundError:
    pytest.skip("mlflow isn't installed, whose server these tests start", allow_module_level=True)

SMALL = ("--limit", 40, "--method", "weights", "--p-prune", 0.2, "--p-prune", 0.4)
LAYER = ("--limit", 20, "--method", "neurons", "--p-prune", 0.5, "--include", "conv1.0")


@pytest.fixture(scope="module", autouse=True)
def only_server(tmp_path_factory):
    """The server, which takes seconds to start: meanwhile tests run that need none."""
    server = MlflowServer(tmp_path_factory.mktemp("server"))
    try:
        server.launch()
        yield server
    finally:
        server.kill()


@pytest.fixture
def server(only_server):
    """A server that runs, whatever a test before has done to it."""
    only_server.start()
    return only_server


@pytest.fixture(autouse=True)
def senders(monkeypatch):
    """The processes that send, of which none outlives its command."""
    started, start = [], sender.subprocess.Popen

    def popen(command, **options):
        process = start(command, **options)
        if command[-1] == "network_prune.reports.tracking":
            started.append(process)
        return process

    monkeypatch.setattr(sender.subprocess, "Popen", popen)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    yield started
    assert all(process.returncode is not None for process in started)


@pytest.fixture
def experiment(monkeypatch, request):
    """An experiment of the test's own, with a name that has all there is in names."""
    name = f"größe/{request.node.name} '\"`%"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    return name


@pytest.fixture
def at_second_record(monkeypatch):
    """Have something happen when the second record of a study is written."""

    def arrange(happens):
        append, written = RecordFile.append, []

        def appended(self, record):
            append(self, record)
            written.append(record)
            if len(written) == 2:
                happens()

        monkeypatch.setattr(RecordFile, "append", appended)

    yield arrange
    monkeypatch.undo()


def nested(runs):
    """The runs of variants by the key of their record, each there once."""
    found = [run for run in runs if "network_prune.key" in run["tags"]]
    by_key = {run["tags"]["network_prune.key"]: run for run in found}
    assert len(by_key) == len(found)
    return by_key


def of_study(runs):
    """The one run of a study, in which all others are nested."""
    (study,) = (run for run in runs if "network_prune.study" in run["tags"])
    parents = {run["tags"]["mlflow.parentRunId"] for run in nested(runs).values()}
    assert parents <= {study["id"]}
    return study


def wait_for_a_nested_run(server, experiment):
    for _ in range(600):
        if any(run["status"] == "FINISHED" for run in nested(server.runs(experiment)).values()):
            return
        time.sleep(0.1)
    pytest.fail("no run came")


def test_a_server_that_is_gone_costs_a_warning(run):
    uri = f"http://127.0.0.1:{free_port()}"
    options = ("--limit", 4, "--method", "weights", "--p-prune", 0.3, "--draws", 2)
    outcome = run("diversity", *options, "--mlflow", uri)
    assert outcome.code == 0
    assert outcome.err.splitlines() == [
        f"warning: MLflow at {uri}: Connection refused; the study goes on",
        f"MLflow at {uri} has 0 of 2 variants; the study keeps no folder, so the rest can't be "
        "sent later",
    ]


def test_a_server_that_never_answers_costs_a_bounded_time(run, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://somebody:secret@127.0.0.1:{silent.getsockname()[1]}"
        start = time.perf_counter()
        outcome = run("sweep", "--out", tmp_path / "study", *SMALL, "--mlflow", uri)
        seconds = time.perf_counter() - start
    assert outcome.code == 0
    assert "no answer in time; the study goes on" in outcome.err
    assert "has 0 of 3 variants; the same command sends the rest" in outcome.err
    assert "secret" not in outcome.err + outcome.out
    assert seconds < 60  # two requests, and what starting takes on a busy machine


def test_an_interrupted_study_waits_for_no_silent_server(run, tmp_path, senders, at_second_record):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        interrupted = []

        def interrupt():
            silent.settimeout(60)
            interrupted.append(silent.accept())  # the sender waits for the answer
            interrupted.append(time.perf_counter())
            raise KeyboardInterrupt

        at_second_record(interrupt)
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        outcome = run("sweep", "--out", tmp_path / "study", *SMALL, "--mlflow", uri)
        seconds = time.perf_counter() - interrupted[1]
        interrupted[0][0].close()
    assert outcome.code == 130
    assert seconds < 5
    assert len(senders) == 1


def test_a_sender_whose_study_was_killed_ends(senders):
    from network_prune.reports.tracking.server_address import ServerAddress

    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        address = ServerAddress(f"http://127.0.0.1:{silent.getsockname()[1]}")
        study = {"experiment": "e", "study": "s", "name": "n", "note": ""}
        sending = sender.Sender(address, study)
        connection, _ = silent.accept()
        with senders[0].stdin as stdin:  # is cut off and closed where a process was killed
            stdin.write(b'{"record": {"na')
        start = time.perf_counter()
        senders[0].wait(timeout=30)
        assert time.perf_counter() - start < 7
        connection.close()
        sending.end(patience=0.0)


def test_a_dry_run_sends_nothing(run, tmp_path, senders):
    outcome = run(
        *("sweep", "--dry-run", "--out", tmp_path / "s", *SMALL),
        *("--mlflow", "http://127.0.0.1:9"),
    )
    assert (outcome.code, outcome.err, senders) == (0, "", [])


def test_shards_are_sent_once_the_study_is_whole(refused, tmp_path, senders):
    line = refused(
        *("sweep", "--out", tmp_path / "s", *SMALL, "--shard", "1/2"),
        *("--mlflow", "http://127.0.0.1:9"),
    )
    assert "--mlflow goes with one process, not with --shard or --engine; run the study" in line
    assert senders == []


def test_a_study_that_is_refused_starts_nothing(refused, tmp_path, senders):
    line = refused(
        *("sweep", "--out", tmp_path / "s", "--data", tmp_path / "no-such"),
        *("--mlflow", "http://127.0.0.1:9"),
    )
    assert "no-such" in line
    assert senders == []


def test_parameters_figures_and_page_are_there_to_the_last_digit(run, server, tmp_path):
    study = tmp_path / "a study, größe 'ü'"
    outcome = run("sweep", "--out", study, *SMALL, "--json", "--mlflow", server.uri)
    records = json.loads(outcome.out)
    runs = server.runs()
    parent, found = of_study(runs), nested(runs)
    assert outcome.code == 0
    assert outcome.err.splitlines()[-1] == (
        f"MLflow has 3 of 3 variants: {server.uri}/#/experiments/1/runs/{parent['id']}"
    )
    assert (parent["name"], parent["status"]) == (study.name, "FINISHED")
    assert found.keys() == {record["key"] for record in records}
    for record in records:
        row, asked = flat_row(record), axes(record)
        there = found[record["key"]]
        numbers = {
            name: value
            for name, value in row.items()
            if name not in asked and isinstance(value, int | float)
        }
        assert there["status"] == "FINISHED"
        assert there["metrics"] == numbers
        assert there["metrics"]["loss"] == record["metrics"]["loss"]
        assert there["params"] == {n: str(v) for n, v in asked.items() if v not in (None, "")}
        assert there["tags"].get("draw_sha256") == record["draw_sha256"]
    names = [found[record["key"]]["name"] for record in records]
    assert names == ["digits dense", *(f"digits weights {p} x 1 draw 0/0" for p in (0.2, 0.4))]
    assert b"20.00%" in server.artifact(parent["id"], "report.html")


def test_a_study_that_goes_on_repeats_nothing(run, server, experiment, tmp_path):
    run("sweep", "--out", tmp_path / "a", *SMALL)  # recorded before anything was sent
    moved = (tmp_path / "a").rename(tmp_path / "b")
    for more, uri in ((), server.uri), (("--p-prune", 0.6), f"{server.uri}/#/experiments/1"):
        assert run("sweep", "--out", moved, *SMALL, *more, "--mlflow", uri).code == 0
    runs = server.runs(experiment)
    assert of_study(runs)["name"] == "b"
    assert sorted(each["params"]["p_prune"] for each in nested(runs).values()) == [
        *("0.0", "0.2", "0.4", "0.6")
    ]


def test_mlflow_server_killed_midway(run, server, experiment, tmp_path, at_second_record):
    run("sweep", "--out", tmp_path / "alone", *SMALL)

    def kill():
        wait_for_a_nested_run(server, experiment)
        server.kill()

    at_second_record(kill)
    sweep = ("sweep", "--out", tmp_path / "study", *SMALL, "--mlflow", server.uri)
    outcome = run(*sweep)
    assert outcome.code == 0
    assert "3 of 3 variants are recorded" in outcome.out
    warning, end = outcome.err.splitlines()
    assert re.fullmatch(
        f"warning: MLflow at {server.uri}: [^;:]*[Cc]onnection[^;:]*; the study goes on", warning
    )
    assert end == f"MLflow at {server.uri} has 1 of 3 variants; the same command sends the rest"
    assert (tmp_path / "study" / "records.jsonl").read_bytes() == (
        tmp_path / "alone" / "records.jsonl"
    ).read_bytes()

    server.start()
    (before,) = nested(server.runs(experiment)).values()
    assert "MLflow has 3 of 3 variants" in run(*sweep).err
    runs = server.runs(experiment)
    assert len(nested(runs)) == 3
    assert of_study(runs)["status"] == "FINISHED"
    assert before in runs  # it wasn't touched


def test_an_interruption_ends_the_run_too(run, server, experiment, tmp_path, at_second_record):
    def interrupt():
        wait_for_a_nested_run(server, experiment)
        raise KeyboardInterrupt

    at_second_record(interrupt)
    outcome = run("sweep", "--out", tmp_path / "study", *SMALL, "--mlflow", server.uri)
    assert outcome.code == 130
    assert "the same command goes on from there" in outcome.err
    runs = server.runs(experiment)
    assert of_study(runs)["status"] == "KILLED"
    assert len(nested(runs)) == 1


def test_a_study_without_a_folder_is_sent_as_well(run, server, experiment):
    outcome = run("sensitivity", *LAYER, "--json", "--mlflow", server.uri)
    dense, layer = json.loads(outcome.out)
    assert "MLflow has 2 of 2 variants" in outcome.err
    runs = server.runs(experiment)
    assert of_study(runs)["name"] == "network-prune"
    names = [nested(runs)[record["key"]]["name"] for record in (dense, layer)]
    assert names == ["digits dense", "digits neurons scope=layer include=conv1.0 0.5 x 1 draw 0/0"]
