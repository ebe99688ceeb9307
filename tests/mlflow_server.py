"""A real MLflow server on loopback, with its store in SQLite, that tests start and kill."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

_LONGEST_START = 120  # seconds, on a busy machine


class MlflowServer:
    """A server whose address and store stay the same, however often it is killed and started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"

    def launch(self) -> None:
        """Start it, unless it runs, without waiting until it answers."""
        if self._process is not None:
            return
        quietly = {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                    *("--host", "127.0.0.1", "--port", str(self.port)),
                    *("--backend-store-uri", f"sqlite:///{self._folder / 'mlflow.db'}"),
                    *("--artifacts-destination", str(self._folder / "artifacts")),
                ],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                env={**os.environ, **quietly},
                start_new_session=True,  # so that all its processes are killed
            )

    def start(self) -> None:
        """Start it, unless it runs, and wait until it answers."""
        self.launch()
        assert self._process is not None
        for _ in range(_LONGEST_START * 10):
            with suppress(OSError):
                self._ask("/health")
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        self.kill()
        raise RuntimeError((self._folder / "log").read_text())

    def kill(self) -> None:
        """Kill all its processes, as a crash does."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def runs(self, experiment: str = "network-prune") -> list[dict[str, Any]]:
        """Return all runs of an experiment, each with name, status, tags, params and metrics."""
        found = self._post("experiments/search", {"max_results": 100})["experiments"]
        ids = [each["experiment_id"] for each in found if each["name"] == experiment]
        if not ids:
            return []
        answer = self._post("runs/search", {"experiment_ids": ids, "max_results": 1000})
        return list(map(_plain, answer.get("runs", [])))

    def artifact(self, run: str, path: str) -> bytes:
        """Return a run's file, as the store keeps it."""
        (found,) = (self._folder / "artifacts").glob(f"*/{run}/artifacts/{path}")
        return found.read_bytes()

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return json.loads(self._ask(f"/api/2.0/mlflow/{path}", json.dumps(body).encode()))

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(
            self.uri + path, body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def _plain(run: dict[str, Any]) -> dict[str, Any]:
    data = {name: run["data"].get(name, []) for name in ("tags", "params", "metrics")}
    pairs = {name: {each["key"]: each["value"] for each in data[name]} for name in data}
    info = run["info"]
    return {"id": info["run_id"], "name": info["run_name"], "status": info["status"], **pairs}
