"""Run a transfer plan and show it: a head, rows as they are finished, tables at the end."""

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from network_prune.cli.output import hand_over, mention, say, saying_where_it_goes_on
from network_prune.display.progress import above_bars
from network_prune.display.terminal import shown_width, wrapped
from network_prune.evaluation.device import choose_device
from network_prune.evaluation.memory import kept_memory
from network_prune.reports.exports import write_csv
from network_prune.reports.markdown import markdown_line
from network_prune.reports.plots import draw_pictures
from network_prune.reports.transfer.aligned import WIDTH
from network_prune.reports.transfer.head import row_line, transfer_head
from network_prune.reports.transfer.lines import transfer_lines
from network_prune.results.lines.notices import Damaged, Dropped
from network_prune.results.outcome_store import OutcomeStore
from network_prune.study.engines.cluster import Cluster
from network_prune.transfer.figures.attacked import Attacked
from network_prune.transfer.figures.pictures import curve_pictures
from network_prune.transfer.figures.sets import AttackSet
from network_prune.transfer.plan import TransferPlan
from network_prune.transfer.running.events import Advanced, Event, Noted, Recorded, Started, Told
from network_prune.transfer.transfer import transfer
from network_prune.transfer.transferred import TRANSFER, Transfer, read_transfer


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where what was found goes beside the records.

    Attributes:
        as_json: print JSON, and no text.
        markdown: print a document in Markdown instead of tables for a terminal.
        output: file of the JSON.
        csv: file of the figures as flat rows.
        plot: file of the curves.
    """

    as_json: bool = False
    markdown: bool = False
    output: Path | None = None
    csv: Path | None = None
    plot: Path | None = None


def transferring(
    plan: TransferPlan,
    *,
    out: Path | None,
    save_images: Path | None,
    adversarial: Path | None,
    cluster: Cluster | None,
) -> Callable[[Told], Transfer]:
    """Return what computes a plan, in this process or on a cluster.

    Args:
        plan: what to compute.
        out: as for `transfer`, as are the others.
        save_images: as for `transfer`.
        adversarial: as for `transfer`; not on a cluster.
        cluster: where tasks run, if they do, which needs ``out``.
    """

    def here(told: Told) -> Transfer:
        with kept_memory(choose_device(plan.options["device"])):
            return transfer(
                plan, out=out, save_images=save_images, adversarial=adversarial, told=told
            )

    if cluster is None or out is None:
        return here
    from network_prune.transfer.engines.transfer_on_ray import transfer_on_ray

    on_ray = partial(transfer_on_ray, plan, out=out, cluster=cluster, save_images=save_images)
    return lambda told: on_ray(told=told)


def run_transfer(
    plan: TransferPlan,
    outlets: Outlets,
    run: Callable[[Told], Transfer],
    *,
    out: Path | None,
) -> None:
    """Compute what isn't recorded yet, and show all of it.

    Args:
        plan: what to compute.
        outlets: what is shown and written.
        run: computes it.
        out: folder of the records, if they are kept.

    Raises:
        NetworkPruneError: the run can't be made, or something can't be written.
    """
    shown = _Shown(plan, out, prints=not (outlets.as_json or outlets.markdown))
    with saying_where_it_goes_on(out):
        try:
            # What a network prints isn't the run's output.
            with redirect_stdout(sys.stderr):
                found = run(shown.tell)
        except KeyboardInterrupt:
            finished = shown.finished()
            if finished:
                show_transfer(finished, plan.options["against"], outlets, notes=shown.notes)
            raise
    show_transfer(found, plan.options["against"], outlets, notes=shown.notes)


def show_transfer(
    found: Transfer, against: str, outlets: Outlets, *, notes: tuple[str, ...] = ()
) -> None:
    """Show what was computed, and compare it.

    Args:
        found: the records.
        against: the augmentation that others are compared with.
        outlets: what is shown and written.
        notes: what to know about networks, images and rows.

    Raises:
        RunError: something can't be written.
    """
    sets = found.sets
    compared = found.compare(against)
    rows = found.rows()
    data = {
        "records": list(found),
        "figures": rows,
        "comparisons": compared.rows(),
        "summary": [each.to_dict() for each in compared.summary],
    }
    hand_over(data, as_json=outlets.as_json, path=outlets.output)
    if not outlets.as_json:
        warnings = [
            f"- {markdown_line(note)}" if outlets.markdown else f"note: {note}" for note in notes
        ]
        width = None if outlets.markdown else shown_width(sys.stdout)
        lines = transfer_lines(sets, compared, markdown=outlets.markdown, width=width or WIDTH)
        say(*wrapped([*lines, *warnings], width))
    if outlets.csv is not None:
        write_csv(lambda: rows, outlets.csv)
    if outlets.plot is not None:
        draw_pictures(curve_pictures(sets), outlets.plot)


class _Shown:
    """What of a run is shown to people while it goes on.

    Attributes:
        notes: what to know about networks, images and rows.
    """

    def __init__(self, plan: TransferPlan, out: Path | None, *, prints: bool) -> None:
        self.notes: tuple[str, ...] = ()
        self._plan = plan
        self._out = out
        self._to = sys.stdout if prints else None
        self._width = shown_width(sys.stdout)
        self._keys: tuple[str, ...] = ()
        self._attacked: list[Attacked] = []

    def tell(self, event: Event) -> None:
        """Show an event, above the bar."""
        match event:
            case Started():
                self.notes, self._keys = event.notes, event.keys
                head = transfer_head(self._plan, event.due, event.images, event.clean)
                self._print(say, *head, "")
            case Noted():
                self.notes = (*self.notes, *event.notes)
            case Recorded():
                self._attacked.append(Attacked(event.record, event.predictions))
                self._print(mention, row_line(AttackSet(self._attacked[-1:])))
            case Dropped() | Damaged():
                with above_bars():
                    say(str(event), to=sys.stderr)
            case Advanced():
                pass

    def finished(self) -> Transfer:
        """Return the plan's rows that were finished, with those that were recorded before."""
        if self._out is not None and (self._out / TRANSFER.file).is_file():
            found = read_transfer(self._out)
            recorded = {record["key"]: record for record in found}
            records = [recorded[key] for key in self._keys if key in recorded]
            return Transfer(records, found.store, source=found.source)
        store = OutcomeStore()
        for each in self._attacked:
            store.put(each.predictions.to_bytes())
        return Transfer([each.record for each in self._attacked], store)

    def _print(self, say: Callable[..., None], *lines: str) -> None:
        if self._to is not None:
            with above_bars():
                say(*wrapped(lines, self._width), to=self._to)
