"""Run any study and show it: a head, rows as they are finished, and what they come to."""

import shlex
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from network_prune.cli.forms import show
from network_prune.cli.output import hand_over, mention, say, saying_where_it_goes_on
from network_prune.cli.runs.live import LiveTable
from network_prune.display.terminal import head_lines, shown_width, wrapped
from network_prune.errors import RunError
from network_prune.evaluation.device import choose_device
from network_prune.evaluation.memory import kept_memory
from network_prune.evaluation.variant import Network
from network_prune.reports.forms.forms import screen_lines
from network_prune.reports.forms.rows import Rows
from network_prune.reports.head_and_foot import (
    Parts,
    below_rows,
    network_head,
    plan_head,
    tables_alone,
)
from network_prune.results.lines.notices import Damaged, Dropped
from network_prune.results.records import SCHEMA, Record
from network_prune.study.events import (
    Advanced,
    Event,
    Failed,
    PartKept,
    Recorded,
    Started,
    Told,
    Waiting,
)
from network_prune.study.measure import Measure
from network_prune.study.plan import Plan
from network_prune.study.sweep import sweep

Say = Callable[..., None]


def run_study(
    plan: Plan,
    *,
    form: str | None,
    out: Path | None = None,
    path: Path | None = None,
    measure: Measure | None = None,
    table: Parts | None = None,
    data: Callable[[Sequence[Record]], Any] = list,
    draw: Callable[[Sequence[Record]], None] | None = None,
    tracker: Told | None = None,
) -> Sequence[Record]:
    """Evaluate what isn't recorded yet, and show and return all records.

    Args:
        plan: what to evaluate.
        form: print the records so and no text, one of `cli.forms.FORMS`; None for text.
        out: folder of the records; None keeps none.
        path: file to write the JSON to as well.
        measure: as for `sweep`.
        table: shows one network's records, instead of a row for each.
        data: what the JSON holds of the records and the networks that failed.
        draw: draws the records of all networks, if there are any pruned ones.
        tracker: is given each event as well, once it is shown.

    Raises:
        NetworkPruneError: the study can't be run, or networks failed.
    """
    device = choose_device(plan.options["device"])
    shown = _Shown(plan, str(device), out=out, form=form, table=table, tracker=tracker)
    try:
        # What a network prints isn't the study's output.
        with (
            saying_where_it_goes_on(out),
            shown.telling() as told,
            redirect_stdout(sys.stderr),
            kept_memory(device),
        ):
            records = sweep(plan, out=out, measure=measure, told=told, progress=False)
    except KeyboardInterrupt:
        if out is None:
            shown.finish(shown.records)
            hand_over(data(shown.json(shown.records)), as_json=form == "json", path=path)
        raise
    shown.finish(records)
    hand_over(data(shown.json(records)), as_json=form == "json", path=None)
    hand_over(data(shown.json(records.whole())), as_json=False, path=path)
    if draw is not None and any(record["variant"] for record in records):
        draw(records)
    check_none_failed(shown.failed, plan)
    return records


def check_none_failed(failed: Sequence[Failed], plan: Plan) -> None:
    """Raise a RunError if networks failed."""
    if failed:
        names = ", ".join(str(failure.network) for failure in failed)
        raise RunError(f"{len(failed)} of {len(plan.variants)} networks failed: {names}")


class _Shown:
    """What of a study is shown to people.

    Attributes:
        records: those that were finished meanwhile.
        failed: the networks that failed.
    """

    def __init__(
        self,
        plan: Plan,
        device: str,
        *,
        out: Path | None,
        form: str | None,
        table: Parts | None,
        tracker: Told | None,
    ) -> None:
        self.records: list[Record] = []
        self.failed: list[Failed] = []
        self._plan = plan
        self._out = out
        self._table = table
        self._tracker = tracker
        self._count = 0
        self._heads: dict[Network, dict[str, str]] = {}
        self._study_head = plan_head(plan, device)
        self._form = form
        self._stdout = sys.stdout
        self._width = shown_width(sys.stdout)
        self._rows = Rows(self._width, plan.variants)
        self._say: Say = partial(say, to=sys.stdout)
        self._warn: Say = partial(say, to=sys.stderr)

    @contextmanager
    def telling(self) -> Generator[Told]:
        """Show events; on a terminal below a table of what isn't finished."""
        if not sys.stderr.isatty():
            yield self._tell
            return
        counts = {network: 1 + len(found) for network, found in self._plan.variants.items()}
        usual = self._say, self._warn
        try:
            with LiveTable(counts, Console(stderr=True)) as table:
                self._warn = table.say
                if sys.stdout.isatty():  # then rows have to pass above the table
                    self._say = table.say

                def told(event: Event) -> None:
                    table.take(event)
                    self._tell(event)

                yield told
        finally:
            self._say, self._warn = usual

    def finish(self, records: Sequence[Record]) -> None:
        """Show what is below the rows."""
        if self._form not in (None, "json"):
            show(tables_alone(records, self._plan, self._table), self._form, to=self._stdout)
            return
        heads = self._heads if len(self._plan.variants) > 1 else {}
        parts = below_rows(records, self._plan, heads, self._table, width=self._width)
        self._print(*([] if self._table else self._rows.foot()))
        self._print(*screen_lines(parts, self._width))
        if self._out is not None and self._form is None:
            recorded = f"{len(records)} of {self._count} variants are recorded"
            shows = f"network-prune records {shlex.quote(str(self._out))}"
            mention("", *wrapped([f"{recorded}; {shows} shows them"], self._width))

    def json(self, records: Sequence[Record]) -> list[Record]:
        """Return the records, and at the end an entry for each network that failed."""
        failures = [
            {
                "schema": SCHEMA,
                "network": {"name": failure.network.arch},
                "asked": {"weights": failure.network.weights},
                "error": failure.error,
            }
            for failure in self.failed
        ]
        return [*records, *failures]

    def _tell(self, event: Event) -> None:
        match event:
            case Started():
                self._count += event.recorded + len(event.due)
                self._heads[event.network] = network_head(event.base)
                self._begin(network_head(event.base), event)
            case Recorded():
                self.records.append(event.record)
                if self._table is None:
                    self._print(self._rows.row(event.record))
            case Failed():
                self.failed.append(event)
                self._begin({})
                if self._table is None and self._form is None:
                    self._print(*self._rows.failure(event.network, event.error))
                else:
                    self._warn(str(event))
            case Dropped() | Damaged():
                self._warn(str(event))
            case Advanced() | PartKept() | Waiting():
                pass
        if self._tracker is not None:
            self._tracker(event)

    def _begin(self, head: dict[str, str], started: Started | None = None) -> None:
        """Print the head, unless it was printed: of a single network all that is known of it."""
        if not self._study_head:
            return
        count = len(self._plan.variants)
        data = self._plan.options["data"] or "digits"
        first = {"networks": str(count), "data": data} if count > 1 else head
        kept = {} if self._out is None else {"records": str(self._out)}
        lines = head_lines({**first, **self._study_head, **kept}, width=self._width)
        self._print(*lines, *(["", *self._rows.head(started)] if self._table is None else []))
        self._study_head = {}

    def _print(self, *lines: str) -> None:
        if self._form is None and lines:
            self._say(*lines)
