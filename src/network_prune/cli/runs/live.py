"""A table on the terminal whose rows fill in while a study runs, above a bar for all of it."""

from collections.abc import Mapping
from typing import Final, Self

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
from rich.text import Text

from network_prune.display.fitted import fit
from network_prune.display.table import Column
from network_prune.evaluation.metrics import Metrics
from network_prune.evaluation.variant import Network, Variant
from network_prune.plain_text import plain
from network_prune.results.lines.notices import Damaged, Dropped
from network_prune.study.events import Advanced, Event, Failed, PartKept, Recorded, Started, Waiting

# Lines of the terminal that are the table's head, the bar, and what was printed last.
_OTHER_LINES = 6
_COLUMNS: Final = (
    Column("method", is_words=True),
    Column("p_prune"),
    Column("p_bern", goes=5),
    Column("draw", goes=4),
    Column("images", goes=3),
    Column("Loss", goes=2),
    Column("Acc@1"),
    Column("Acc@5", goes=1),
)
_PLACES: Final = range(len(_COLUMNS))
_LEAST: Final = {True: 11, False: 7}  # characters of words and of figures, which come and go


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
        rows = [self._cells(variant) for variant in self._window()]
        cells = [[row[place] if place < len(row) else "" for row in rows] for place in _PLACES]
        needs = [
            max([_LEAST[column.is_words], *(len(plain(cell)) for cell in own)])
            for column, own in zip(_COLUMNS, cells, strict=True)
        ]
        layout = fit(_COLUMNS, needs, width=self._console.width)
        shown = [layout.row(row) for row in zip(*cells, strict=True)]
        return Group(Text(layout.head(), style="bold"), *map(Text, shown), self._progress)

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
