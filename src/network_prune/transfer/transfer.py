"""Make adversarial images on surrogates, row by row, try them on victims, and record it."""

import os
import warnings
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from network_prune.core.usual_settings import usual_settings
from network_prune.display.progress import progress_bar
from network_prune.display.text import plain
from network_prune.results.records import HeldRecords, RecordFile
from network_prune.study.events import Dropped
from network_prune.transfer.plan import TransferPlan, make_transfer_plan
from network_prune.transfer.running.events import Event, Started, Told
from network_prune.transfer.running.identity import check_names, describe_row
from network_prune.transfer.running.ready import Ready
from network_prune.transfer.running.row_run import RowRun
from network_prune.transfer.transferred import TRANSFER, Transfer


def _warn(event: Event) -> None:
    """Warn of what a caller who listens to no events should know."""
    texts = event.notes if isinstance(event, Started) else ()
    if isinstance(event, Dropped):
        texts = (str(event),)
    for text in texts:
        warnings.warn(plain(text), stacklevel=3)


def transfer(
    plan: TransferPlan | Mapping[str, Any],
    *,
    out: str | PathLike[str] | None = None,
    told: Told = _warn,
    progress: bool | None = None,
) -> Transfer:
    """Compute every row of ``plan`` that isn't recorded yet, and return all its records.

    Everything is loaded and checked, and the clean images are looked at, before the first
    attack. A row's record is appended to ``transfer.jsonl`` in ``out`` when its last image is
    done; a killed run goes on at the batch where it was.

    Args:
        plan: what to compute; a mapping of ``network-prune transfer``'s options with
            underscores, e.g. ``{"augmentation": ["none", "dwp"], "passes": 100}``.
        out: the run's folder, made if it isn't there; None keeps records in memory alone.
        told: is given each event as it comes. By default, notes are warnings.
        progress: show a bar on stderr; None shows it on a terminal and in a notebook only.

    Raises:
        ArgumentError: an option isn't allowed.
        NetworkPruneError: a network or images can't be loaded, don't fit, or fail.
        RunError: another run writes to ``out``, or nothing can be written there.
        SourceError: what is recorded there can't be read, or a name in it means other bytes now.
    """
    plan = plan if isinstance(plan, TransferPlan) else make_transfer_plan(plan)
    with (
        HeldRecords() if out is None else RecordFile(Path(out), TRANSFER) as kept,
        usual_settings(),
    ):
        if isinstance(kept, RecordFile) and kept.dropped:
            told(Dropped(kept.path, kept.dropped))
        ready = Ready(plan)
        check_names(ready, kept.records.values())
        wanted = [(row, describe_row(row, ready)) for row in plan.rows]
        due = [(row, base) for row, base in wanted if base["key"] not in kept.records]
        if due:
            ready.check(tuple(row for row, _ in due))
        started = Started(
            tuple(row for row, _ in due), len(wanted) - len(due), len(ready.images), ready.notes
        )
        told(started)
        total = sum(row.iterations for row, _ in due) * len(ready.images)
        with progress_bar(total=total, label="transfer", unit="img·it", shown=progress) as bar:
            for row, base in due:
                RowRun(row, base, ready, kept, None, told, bar.update).run()
        found = [kept.records[base["key"]] for _, base in wanted]
    return Transfer(found, kept.outcomes, source="memory" if out is None else os.fspath(out))
