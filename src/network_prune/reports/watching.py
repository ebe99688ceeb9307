"""A page that grows with the study that it shows."""

import time
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Final

from network_prune.plain_text import counted
from network_prune.reports.report import write_page
from network_prune.results.records import FILE
from network_prune.results.study import Study, read_study

# Seconds between two looks at the records, and after which the page loads itself anew.
PAUSE: Final = 2.0
_REFRESH: Final = 10


def watch(
    runs: Sequence[Path],
    out: Path,
    *,
    title: str | None = None,
    told: Callable[[str], None],
    pause: float = PAUSE,
) -> None:
    """Write the page whenever records were added, until Ctrl-C.

    Side effects: while it runs the page loads itself anew; the last one that it writes doesn't.

    Args:
        runs: the studies' folders; their records may come later.
        out: the page.
        title: of the page.
        told: takes a line for people.
        pause: seconds between two looks.

    Raises:
        RunError: the page can't be written.
        SourceError: records can't be read.
    """
    seen: list[int] = []
    try:
        while True:
            sizes = [_size(run) for run in runs]
            if sizes != seen:
                seen = sizes
                studies = _begun(runs)
                if len(studies) == len(runs):
                    told(_write(studies, out, title, _REFRESH))
                else:
                    told(f"waiting for records in {runs[len(studies)]}")
            time.sleep(pause)
    except KeyboardInterrupt:
        studies = _begun(runs)
        if len(studies) == len(runs):
            told(_write(studies, out, title, None))


def _begun(runs: Sequence[Path]) -> list[Study]:
    """Return the studies up to the first without a record; a half-written one is none."""
    return list(takewhile(len, (read_study(run) if _size(run) else Study([]) for run in runs)))


def _write(studies: Sequence[Study], out: Path, title: str | None, refresh: int | None) -> str:
    write_page(studies, out, title=title, refresh=refresh)
    return f"{out}: {counted(sum(map(len, studies)), 'record')}"


def _size(run: Path) -> int:
    """Return how many bytes of records there are."""
    path = run / FILE if run.is_dir() else run
    return path.stat().st_size if path.is_file() else 0
