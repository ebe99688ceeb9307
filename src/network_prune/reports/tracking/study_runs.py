"""A study's runs on an MLflow server: one for the study, and one nested in it for each record."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run

_STUDY: Final = "network_prune.study"
_KEY: Final = "network_prune.key"
_PARENT: Final = "mlflow.parentRunId"
_PAGE: Final = 200  # runs that one answer of the server holds


class StudyRuns:
    """Finds a study's runs, and adds those that aren't there.

    A run of a record that isn't finished, of a sender that was ended, is written again.

    Args:
        uri: the server's address.
        experiment: name of the experiment.
        study: what the study is known by.
        name: what it is called.
        note: what it is, for people.

    Attributes:
        sent: keys of the records that are there; those of before once it is `open`.
    """

    def __init__(self, uri: str, *, experiment: str, study: str, name: str, note: str) -> None:
        self.sent: set[str] = set()
        self._uri = uri
        self._client = MlflowClient(tracking_uri=uri)
        self._experiment = experiment
        self._study, self._name, self._note = study, name, note
        self._place: tuple[str, str] | None = None
        self._begun: dict[str, str] = {}

    @property
    def is_open(self) -> bool:
        """Whether the study's run is known."""
        return self._place is not None

    @property
    def address(self) -> str:
        """Where people see the study's run."""
        experiment, run = self._opened()
        return f"{self._uri}/#/experiments/{experiment}/runs/{run}"

    def open(self) -> None:
        """Find the study's run, or make it, and what is nested in it."""
        experiment = self._experiment_id()
        run = self._study_run(experiment)
        self.sent, self._begun = set(), {}
        for nested in self._nested(experiment, run):
            key = nested.data.tags.get(_KEY, "")
            if nested.info.status == "FINISHED":
                self.sent.add(key)
            else:
                self._begun[key] = nested.info.run_id
        self._place = experiment, run

    def forget(self) -> None:
        """Look at all of it again before anything is sent: it may be otherwise now."""
        self._place = None

    def send(self, record: Mapping[str, Any]) -> None:
        """Make the run of a record, as `nested_run` gives it."""
        experiment, parent = self._opened()
        key = record["key"]
        if key not in self._begun:
            tags = {**record["tags"], _KEY: key, _PARENT: parent}
            run = self._client.create_run(experiment, run_name=record["name"], tags=tags)
            self._begun[key] = run.info.run_id
        now = int(time.time() * 1000)
        self._client.log_batch(
            self._begun[key],
            metrics=[Metric(name, value, now, 0) for name, value in record["metrics"].items()],
            params=[Param(name, value) for name, value in record["params"].items()],
        )
        self._client.set_terminated(self._begun[key], "FINISHED")
        self.sent.add(key)

    def attach(self, page: Path) -> None:
        """Add the study's page to its run."""
        self._client.log_artifact(self._opened()[1], str(page))

    def close(self, status: str) -> None:
        """End the study's run: FINISHED, FAILED or KILLED."""
        self._client.set_terminated(self._opened()[1], status)

    def _opened(self) -> tuple[str, str]:
        assert self._place is not None, "open() comes first"
        return self._place

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        if found is None:
            return self._client.create_experiment(self._experiment)
        return found.experiment_id

    def _study_run(self, experiment: str) -> str:
        found = self._client.search_runs(
            [experiment],
            f"tags.`{_STUDY}` = '{self._study}'",
            max_results=1,
            order_by=["attributes.start_time ASC"],
        )
        if found:
            run = found[0].info.run_id
            self._client.update_run(run, status="RUNNING")
            return run
        tags = {_STUDY: self._study, "mlflow.note.content": self._note}
        return self._client.create_run(experiment, run_name=self._name, tags=tags).info.run_id

    def _nested(self, experiment: str, run: str) -> Iterator[Run]:
        token = None
        while True:
            page = self._client.search_runs(
                [experiment],
                f"tags.`{_PARENT}` = '{run}'",
                max_results=_PAGE,
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return
