"""What is sent to MLflow, where to, and what becomes of it where the server comes and goes."""

import json
import re
from queue import SimpleQueue
from types import SimpleNamespace

import pytest

from network_prune.errors import ArgumentError, SourceError
from network_prune.reports.tracking.nested_run import nested_run
from network_prune.reports.tracking.server_address import ServerAddress
from network_prune.reports.tracking.study_id import FILE, study_id
from tests.cli.test_hostile_names import NAMES
from tests.made_studies import samples, variant, write_study

# MLflow's: what names of parameters and figures may hold, and how much.
NAME = re.compile(r"[/\w.\- :]{1,250}")


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr("network_prune.extras.importlib.util.find_spec", lambda _: SimpleNamespace)


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("http://localhost:5000", "http://localhost:5000"),
        (" https://host/mlflow/ ", "https://host/mlflow"),
        ("http://[::1]:5000/#/experiments/1?a=b", "http://[::1]:5000"),
        ("http://größe.example:80", "http://größe.example:80"),
    ],
)
def test_addresses(installed, text, uri):
    assert ServerAddress.parse(text) == ServerAddress(uri)


def test_user_and_password_are_never_shown(installed):
    address = ServerAddress.parse("http://some%40body:se%2Fcret@host:5000/a")
    assert address.uri == "http://host:5000/a"
    assert address.login == {
        "MLFLOW_TRACKING_USERNAME": "some@body",
        "MLFLOW_TRACKING_PASSWORD": "se/cret",
    }
    assert "cret" not in repr(address)


@pytest.mark.parametrize(
    "text",
    [
        *("localhost:5000", "", "http://", "sqlite:///mlflow.db", "mlruns", "databricks"),
        *("http://host:port", "http://host:0", "http://host:99999", "http://a b", "http://h\x1b"),
        *("http://[::1", "http://me:secret@host:x", "ftp://me:secret@host"),
    ],
)
def test_what_is_no_address_is_refused_in_a_line(installed, text):
    with pytest.raises(ArgumentError, match="is no address of an MLflow server") as e:
        ServerAddress.parse(text)
    assert "secret" not in str(e.value)


@pytest.mark.parametrize("mark", "/?#")
def test_a_password_that_would_end_an_address_early(installed, mark):
    with pytest.raises(ArgumentError, match=re.escape("mlflow='host:1' has a / , ? or #")) as e:
        ServerAddress.parse(f"http://me:12{mark}secret@host:1")
    assert "secret" not in str(e.value)


def test_the_extra_is_named_where_it_is_missing(refused, monkeypatch, tmp_path):
    monkeypatch.setattr("network_prune.extras.importlib.util.find_spec", lambda _: None)
    with pytest.raises(SourceError, match=r"--mlflow needs the package mlflow"):
        ServerAddress.parse("http://localhost:5000")
    line = refused("sweep", "--out", tmp_path / "s", "--mlflow", "http://localhost:5000")
    assert line.endswith("--mlflow needs the package mlflow: pip install 'network-prune[mlflow]'")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("name", [*NAMES, "größe/ü 'x'", "a" * 7000], ids=lambda n: ascii(n)[:30])
def test_any_name_makes_a_run_that_mlflow_takes(tmp_path, name):
    included = variant(include=[name, "x" * 9000])
    study = write_study(tmp_path, [(None, samples([1, 0])), (included, samples([1, 1]))])
    for record in study:
        found = nested_run({**record, "network": {**record["network"], "name": name}})
        texts = {**found["params"], **found["tags"]}
        assert found["name"].isprintable()
        assert len(found["name"]) <= 250
        assert all(map(NAME.fullmatch, [*texts, *found["metrics"]]))
        assert all(value.isprintable() and len(value) <= 500 for value in texts.values())
        assert found["metrics"]["acc1"] == record["metrics"]["acc1"]
        json.dumps(found, allow_nan=False).encode("ascii")


def test_figures_that_there_are_none_of_are_left_out(tmp_path):
    (record,) = write_study(tmp_path, [(None, samples([1, 0]))])
    record["metrics"] |= {"loss": None, "acc5": float("inf")}
    found = nested_run(record)
    assert "loss" not in found["metrics"]
    assert "acc5" not in found["metrics"]
    assert "acc1_difference" not in found["metrics"]
    assert found["params"]["method"] == "dense"


def test_compared_draws_have_figures_of_their_own(tmp_path):
    (record,) = write_study(tmp_path, [(variant(), samples([1, 0]))])
    mean = {"mean": 87.5, "interval": [80.0, 95.0], "n": 2, "total": 1, "square_total": 1}
    record["diversity"] = {"draws": 5, "prune": {"agreement": mean, "left_out_of_cosine": 0}}
    figures = nested_run(record)["metrics"]
    assert figures["prune_agreement"] == 87.5
    assert figures.keys() - nested_run({**record, "diversity": None})["metrics"] == {
        "prune_agreement"
    }


def test_a_folder_keeps_what_the_study_is_known_by(tmp_path):
    known = study_id(tmp_path)
    assert re.fullmatch("[0-9a-f]{32}", known)
    assert study_id(tmp_path) == known
    (tmp_path / FILE).write_bytes(b"\xff'; --")
    assert study_id(tmp_path) == study_id(tmp_path) != known
    assert study_id(None) != study_id(None)


class Runs:
    """A study's runs on a server that fails when it is told to."""

    def __init__(self, *failures):
        self.sent, self.log, self.is_open = set(), [], False
        self.address = "there"
        self._failures = list(failures)

    def open(self):
        self._log("open")
        self.is_open = True

    def forget(self):
        self.is_open = False

    def send(self, record):
        self._log(record["key"])
        self.sent.add(record["key"])

    def attach(self, page):
        self._log(page.name)

    def close(self, status):
        self._log(status)

    def _log(self, what):
        failure = self._failures.pop(0) if self._failures else None
        self.log.append(f"{what}!" if failure else what)
        if failure:
            raise failure


@pytest.fixture
def send(monkeypatch):
    """Send records a and b, and an end, and return the answers."""
    sending = pytest.importorskip("network_prune.reports.tracking.sending")
    monkeypatch.setattr(sending, "_PAUSE", 0.05)

    def call(runs, end="FINISHED", *, last_pause=5.0, later=()):
        monkeypatch.setattr(sending, "_LAST_PAUSE", last_pause)
        inbox, answers = SimpleQueue(), []
        messages = [{"record": {"key": "a"}}, {"record": {"key": "b"}}]
        for message in messages if later else [*messages, {"end": end, "page": "p.html"}]:
            inbox.put(message)

        def tell(answer):
            answers.append(answer)
            if later and answer == later:
                inbox.put({"end": end, "page": None})

        sending.Sending(runs, inbox, tell).run()
        return answers

    return call


def test_all_is_sent_before_the_end(send):
    runs = Runs()
    assert send(runs) == [*({"sent": n} for n in (0, 1, 2)), {"end": "there"}]
    assert runs.log == ["open", "a", "b", "p.html", "FINISHED"]


def test_a_server_that_comes_back_gets_the_rest(send):
    runs = Runs(None, None, ConnectionRefusedError(111, "Connection refused"), TimeoutError())
    answers = send(runs, later={"sent": 2})
    assert runs.log == ["open", "a", "b!", "open!", "open", "b", "FINISHED"]
    assert [each["trouble"] for each in answers if "trouble" in each] == [
        "Connection refused",
        "no answer in time",
    ]


def test_the_reason_is_what_the_network_says(send):
    inner = ConnectionResetError("Remote end closed connection without response")
    wrapped = RuntimeError("Max retries exceeded", ValueError("Connection aborted.", inner))
    answers = send(Runs(wrapped))
    assert answers == [{"trouble": str(inner)}, {"end": None}]


def test_a_server_that_is_gone_at_the_end_is_left_at_that(send):
    runs = Runs(None, OSError(113, "No route to host"))
    answers = send(runs)
    assert answers == [{"sent": 0}, {"trouble": "No route to host"}, {"end": None}]
    assert runs.log == ["open", "a!"]


def test_what_the_server_refuses_doesnt_hold_up_the_rest(send):
    exceptions = pytest.importorskip("mlflow.exceptions")
    refusal = exceptions.RestException(
        {"error_code": "INVALID_PARAMETER_VALUE", "message": "no such\nname"}
    )
    runs = Runs(None, refusal, None, RuntimeError("no room"))
    answers = send(runs)
    assert runs.log == ["open", "a!", "b", "p.html!", "FINISHED"]
    assert answers == [
        {"sent": 0},
        {"trouble": "INVALID_PARAMETER_VALUE: no such name"},
        {"sent": 0},
        {"sent": 1},
        {"trouble": "the page can't be sent: RuntimeError: no room"},
        {"end": "there"},
    ]


def test_a_killed_study_leaves_the_rest(send):
    runs = Runs()
    assert send(runs, "KILLED", later={"sent": 1}) == [{"sent": 0}, {"sent": 1}, {"end": "there"}]
    assert runs.log == ["open", "a", "KILLED"]
