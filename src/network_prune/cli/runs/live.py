"""A table on the terminal whose rows fill in while a study runs, above a bar for all of it."""

from collections.abc import Mapping
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from network_prune.evaluation.metrics import Metrics
from network_prune.evaluation.variant import Network, Variant
from network_prune.plain_text import plain
from network_prune.results.lines.notices import Damaged, Dropped
from network_prune.study.events import Advanced, Event, Failed, PartKept, Recorded, Started, Waiting

# Lines of the terminal that are the table's head, the bar, and what was printed last.
_OTHER_LINES = 6


class LiveTable:
    """What a study is at; a context manager that shows it, and takes it away at the end.

    Args:
        counts: for each network in order about how many variants it has; it says when it starts.
        console: where it is shown.
    """

    def __init__(self, counts: Mapping[Network, int], console: Console) -> None:
        self._counts = dict(counts)
        self._console = console
        self._finished = 0
        self._due: list[Variant | None] = []
        self._figures: dict[Variant | None, Metrics] = {}
        self._images = 0
        self._at: Variant | None = None
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._bar = self._progress.add_task("study", total=sum(counts.values()))
        self._live = Live(
            get_renderable=self._render, console=console, transient=True, redirect_stdout=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, *lines: str) -> None:
        """Print lines above the table, as long as they are."""
        for line in lines:
            self._console.print(Text(plain(line)), soft_wrap=True)

    def take(self, event: Event) -> None:
        """Take up what the study tells."""
        match event:
            case Started():
                self._start(event)
            case Advanced():
                if event.variant in self._due:
                    self._at = event.variant
                    self._figures[event.variant] = event.metrics
            case Recorded() | PartKept():
                self._due.remove(event.variant)
                self._figures.pop(event.variant, None)
                self._finished += 1
            case Failed():
                self._due = []
            case Damaged() | Dropped() | Waiting():
                pass
        under_way = sum(metrics.n / self._images for metrics in self._figures.values())
        completed = self._finished + under_way
        self._progress.update(self._bar, completed=completed)

    def _start(self, event: Started) -> None:
        networks = list(self._counts)
        place = networks.index(event.network)
        before = sum(self._counts[network] for network in networks[:place])
        self._counts[event.network] = event.recorded + len(event.due)
        self._finished = before + event.recorded
        self._due, self._images = list(event.due), event.images
        self._figures = {}
        total = sum(self._counts.values())
        self._progress.update(self._bar, description=plain(str(event.network)), total=total)

    def _render(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("method", no_wrap=True, min_width=11)
        for title in ("p_prune", "p_bern", "draw", "images", "Loss", "Acc@1", "Acc@5"):
            table.add_column(title, justify="right", no_wrap=True, min_width=7)
        for variant in self._window():
            table.add_row(*(Text(plain(cell)) for cell in self._cells(variant)))
        return Group(table, self._progress)

    def _window(self) -> list[Variant | None]:
        """Return the rows that fit the terminal, around the one that is computed."""
        room = max(1, self._console.height - _OTHER_LINES)
        at = self._due.index(self._at) if self._at in self._due else 0
        start = max(0, min(at - room // 2, len(self._due) - room))
        return self._due[start : start + room]

    def _cells(self, variant: Variant | None) -> list[str]:
        if variant is None:
            name = ["dense", "", "", ""]
        else:
            name = [
                " ".join([variant.method, *variant.include]),
                f"{variant.p_prune:g}",
                f"{variant.p_bern:g}",
                f"{variant.seed}/{variant.index}",
            ]
        metrics = self._figures.get(variant)
        if metrics is None:
            return [*name, f"0/{self._images}"]
        figures = (f"{metrics.loss:.3f}", f"{metrics.acc1:.3f}", f"{metrics.acc5:.3f}")
        return [*name, f"{metrics.n}/{self._images}", *figures]
