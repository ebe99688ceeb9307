"""Make adversarial images on surrogates, row by row, try them on victims, and record it."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from network_prune.core.usual_settings import usual_settings
from network_prune.display.progress import progress_bar
from network_prune.display.text import warn
from network_prune.errors import ArgumentError
from network_prune.results.lines.notices import Notice
from network_prune.results.records import HeldRecords, Record, RecordFile
from network_prune.study.running.state_file import StateFile
from network_prune.transfer.plan import Row, TransferPlan, make_transfer_plan, of_folder
from network_prune.transfer.running.events import Event, Noted, Started, Told
from network_prune.transfer.running.folder import AdversarialFolder
from network_prune.transfer.running.folder_run import run_folder
from network_prune.transfer.running.identity import (
    check_names,
    check_read,
    describe_row,
    read_before,
)
from network_prune.transfer.running.peer_run import peer_notes
from network_prune.transfer.running.ready import Ready
from network_prune.transfer.running.row_run import RowRun, run_rows
from network_prune.transfer.running.saved import SavedImages
from network_prune.transfer.transferred import TRANSFER, Transfer

Kept = HeldRecords | RecordFile
Advance = Callable[[int], object]
# Computes and records rows, given with what advances the bar.
RunRows = Callable[[Sequence[RowRun], Advance], None]


def _warn(event: Event) -> None:
    """Warn of what a caller who listens to no events should know."""
    texts = event.notes if isinstance(event, Started | Noted) else ()
    if isinstance(event, Notice):
        texts = (str(event),)
    warn(texts, stacklevel=3)


def transfer(
    plan: TransferPlan | Mapping[str, Any],
    *,
    out: str | PathLike[str] | None = None,
    save_images: str | PathLike[str] | None = None,
    adversarial: str | PathLike[str] | None = None,
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
        save_images: folder to write the adversarial images to, as `SavedImages` says; a row
            that is recorded, but whose images aren't there, is computed again.
        adversarial: folder of images that another attack wrote, as `AdversarialFolder` says:
            networks are tried on them, and of the attack's options goal and bound alone mean
            anything.
        told: is given each event as it comes. By default, notes are warnings.
        progress: show a bar on stderr; None shows it on a terminal and in a notebook only.

    Raises:
        ArgumentError: an option isn't allowed.
        NetworkPruneError: a network or images can't be loaded, don't fit, or fail.
        RunError: another run writes to ``out``, nothing can be written there, or ``save_images``
            holds other images.
        SourceError: what is recorded there can't be read, or a name in it means other bytes now.
    """
    if save_images is not None and adversarial is not None:
        raise ArgumentError(
            f"save_images={os.fspath(save_images)} makes images and "
            f"adversarial={os.fspath(adversarial)} has some already; pass one of them"
        )
    plan = plan if isinstance(plan, TransferPlan) else make_transfer_plan(plan)
    records = HeldRecords() if out is None else RecordFile(Path(out), TRANSFER)
    with records as kept, usual_settings():
        for notice in kept.notices:
            told(notice)
        if adversarial is None:
            ready = Ready(plan)
            keys = attack_rows(
                plan,
                ready,
                run=partial(run_rows, ready),
                kept=kept,
                saved_in=None if save_images is None else Path(save_images),
                told=told,
                progress=progress,
            )
        else:
            keys = _try_folder(of_folder(plan), Path(adversarial), kept, told, progress)
        found = [kept.records[key] for key in keys]
    return Transfer(found, kept.outcomes, source="memory" if out is None else os.fspath(out))


def attack_rows(
    plan: TransferPlan,
    ready: Ready,
    *,
    run: RunRows,
    kept: Kept,
    saved_in: Path | None,
    told: Told,
    progress: bool | None,
) -> list[str]:
    """Compute what isn't recorded or saved; return the keys of all rows.

    Args:
        plan: all rows.
        ready: their networks and images.
        run: computes and records what is due.
        kept: the run's records.
        saved_in: folder of the images, if they are saved.
        told: as for `transfer`.
        progress: as for `transfer`.

    Raises:
        NetworkPruneError: what `transfer` raises.
    """
    wanted = [(row, describe_row(row, ready)) for row in plan.rows]
    saver = None if saved_in is None else SavedImages(saved_in, wanted, ready.images)

    def is_done(row: Row) -> bool:
        return saver is None or saver.is_whole(row)

    def run_due(due: Sequence[tuple[Row, Record]], advance: Advance) -> None:
        run([RowRun(row, base, ready, kept, saver, told) for row, base in due], advance)

    _run(wanted, is_done, run_due, ready, kept, told, progress)
    notes = peer_notes((row, kept.records[base["key"]]) for row, base in wanted)
    if texts := tuple(dict.fromkeys(notes)):
        told(Noted(texts))
    return [base["key"] for _, base in wanted]


def _try_folder(
    plan: TransferPlan, path: Path, kept: Kept, told: Told, progress: bool | None
) -> list[str]:
    """Try a folder's images where that isn't recorded; return the keys of all rows."""
    folder = AdversarialFolder(path)
    ready = Ready(plan, folder.size)
    folder.check_names(ready.images)
    folder.give_targets(ready.images, ready.networks.classes, is_targeted=plan.is_targeted)
    wanted = [(row, describe_row(row, ready, folder)) for row in plan.rows]

    def run(due: Sequence[tuple[Row, Record]], advance: Advance) -> None:
        for row, base in due:
            run_folder(row, base, folder, ready, kept, told, advance)

    _run(wanted, lambda _: True, run, ready, kept, told, progress)
    return [base["key"] for _, base in wanted]


def _run(
    wanted: Sequence[tuple[Row, Record]],
    is_done: Callable[[Row], bool],
    run: Callable[[Sequence[tuple[Row, Record]], Advance], None],
    ready: Ready,
    kept: Kept,
    told: Told,
    progress: bool | None,
) -> None:
    """Run the rows that aren't recorded, or of which something else is left to do."""
    check_names(ready, kept.heads())
    due = [
        (row, base) for row, base in wanted if base["key"] not in kept.records or not is_done(row)
    ]
    rows = tuple(row for row, _ in due)
    left = {base["key"] for _, base in due}
    for key in (base["key"] for _, base in wanted):
        if key not in left:
            StateFile(kept.folder, key).remove()  # a run that ended at that moment leaves it
    if due:
        ready.check(rows)
        check_read(ready, read_before(ready, kept))
    told(
        Started(
            rows,
            len(wanted) - len(due),
            tuple(base["key"] for _, base in wanted),
            len(ready.images),
            ready.accuracies if due else {},
            ready.notes,
        )
    )
    total = sum(row.passes for row in rows) * len(ready.images)
    with progress_bar(total=total, label="transfer", unit="passes", shown=progress) as bar:
        run(due, bar.update)
