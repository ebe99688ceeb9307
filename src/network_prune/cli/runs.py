"""Evaluate one network or several in turn: what is printed when, and what is written."""

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from network_prune.cli import output
from network_prune.cli.evaluation import Evaluation, Task
from network_prune.cli.report import NetworkReport
from network_prune.cli.result import hand_over, printer
from network_prune.errors import RunError, failure_text


@dataclass(frozen=True, slots=True)
class Failure:
    """A network of several that could not be evaluated.

    Attributes:
        name: the network as it was asked for.
        text: why, in one line.
    """

    name: str
    text: str

    def row(self, task: Task) -> str:
        """Return its row of the table."""
        return output.table_row(self.name, task.settings, "–", f"error: {self.text}")

    def record(self) -> dict[str, Any]:
        """Return what there is in the place of the results, as plain data."""
        return {"network": {"name": self.name}, "error": self.text}


def evaluate_one(arch: str, task: Task, *, as_json: bool, path: Path | None) -> None:
    """Evaluate one network; any error ends the run.

    Raises:
        NetworkPruneError: the network can't be evaluated, or ``path`` can't be written.
    """
    say = printer(as_json)
    evaluation = Evaluation(arch, task)
    report = evaluation.report
    say(output.head_lines({**report.head(), **_task_head(task)}))
    say(f"\n{output.table_head()}")
    for row in evaluation.rows():
        say(row)
    say("\n" + "\n".join(report.foot()))
    hand_over(report.record(), as_json=as_json, path=path)


def evaluate_several(names: Sequence[str], task: Task, *, as_json: bool, path: Path | None) -> None:
    """Evaluate each network in turn; one that fails is a row with its error.

    What is finished is shown and written even if the run is interrupted.

    Raises:
        RunError: networks failed, or ``path`` can't be written.
    """
    say = printer(as_json)
    say(output.head_lines({"networks": str(len(names)), "data": task.data, **_task_head(task)}))
    say(f"\n{output.table_head()}")
    outcomes: list[NetworkReport | Failure] = []
    try:
        for name in names:
            for row in _attempt(name, task, outcomes):
                say(row)
            # Networks whose modules refer to each other in circles would stay in memory.
            gc.collect()
    finally:
        _finish_several(names, outcomes, say, as_json=as_json, path=path)
    failed = [outcome.name for outcome in outcomes if isinstance(outcome, Failure)]
    if failed:
        raise RunError(f"{len(failed)} of {len(names)} networks failed: {', '.join(failed)}")


def _attempt(name: str, task: Task, outcomes: list[NetworkReport | Failure]) -> Iterator[str]:
    try:
        evaluation = Evaluation(name, task)
        yield from evaluation.rows()
        outcomes.append(evaluation.report)
    except Exception as error:
        failure = Failure(name, failure_text(error))
        outcomes.append(failure)
        yield failure.row(task)


def _finish_several(
    names: Sequence[str],
    outcomes: Sequence[NetworkReport | Failure],
    say: Callable[[str], None],
    *,
    as_json: bool,
    path: Path | None,
) -> None:
    records = [outcome.record() for outcome in outcomes]
    try:
        hand_over({"asked": list(names), "networks": records}, as_json=as_json, path=path)
    finally:
        for outcome in outcomes:
            if isinstance(outcome, NetworkReport):
                lines = [output.head_lines(outcome.head()), *outcome.foot()]
                say("\n" + "\n".join(lines))


def _task_head(task: Task) -> dict[str, str]:
    settings = task.settings
    norm = ", with norm" if settings.with_norm else ""
    amp = f", amp {task.amp_dtype}" if task.amp else ""
    cast = f", dtype {task.dtype}" if task.dtype else ""
    return {
        "pruning": f"{settings.method}, p_prune {settings.p_prune:g}, seed {settings.seed}, "
        f"p_bern {settings.p_bern:g}, score {settings.score}, scope {settings.scope}{norm}",
        "device": f"{task.device}{amp}{cast}",
    }
