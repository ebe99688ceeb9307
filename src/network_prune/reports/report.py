"""A report on studies, from their records alone: a page, or files for a paper."""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Final, cast

from network_prune.errors import ArgumentError, SourceError, check_choice
from network_prune.reports.page.assets import check_page
from network_prune.results.lines.uncollected import uncollected
from network_prune.results.published.figures import PublishedRow
from network_prune.results.records import Record, check_records
from network_prune.results.study import Study, load_study, without_repeats
from network_prune.whole_file import write_whole

FORMATS: Final = ("html", "md", "csv", "svg", "png", "pdf")

Run = str | PathLike[str] | Study
Runs = Run | Record | Iterable[Run] | Iterable[Record]


def report(
    runs: Runs,
    *,
    out: str | PathLike[str],
    format: str | None = None,
    title: str | None = None,
    published: Sequence[PublishedRow] = (),
) -> Path:
    """Write what studies found to a file, and return its path.

    ``html`` is a page in one file that opens from disk and asks for nothing from elsewhere:
    plots, a table that sorts, filters and copies, and any two rows compared image by image.
    ``md`` and ``csv`` are the table, ``svg``, ``png`` and ``pdf`` the curves, for a paper.

    Args:
        runs: a study, its folder or the file that ``eval --output`` wrote, any iterable of
            these, or records in hand: one, or any iterable.
        out: the file; one that is there is replaced once the new one is whole.
        format: one of `FORMATS`; by default what the file's name ends in.
        title: of the page; by default the studies' names.
        published: published figures to show on the page beside the measured ones.

    Raises:
        ArgumentError: the format is none of these, or ``runs`` is nothing of what it takes.
        RunError: the file can't be written.
        SourceError: there are no records, they can't be read, or a package of the extra
            ``report`` isn't installed.
    """
    path, kind = Path(out), format_of(out, format)
    if kind == "html":
        check_page()
    studies = studies_of(runs)
    if kind == "html":
        write_page(studies, path, title=title, published=published)
    else:
        from network_prune.reports.paper import write_paper

        write_paper(studies, path, format=kind)
    return path


def format_of(out: str | PathLike[str], format: str | None) -> str:
    """Return the format that is asked for, or that the file's name ends in.

    Raises:
        ArgumentError: it is none of `FORMATS`.
    """
    if format is not None:
        check_choice("format", format, FORMATS)
        return format
    ending = Path(out).suffix.lower().lstrip(".")
    if ending == "htm":
        return "html"
    if ending not in FORMATS:
        raise ArgumentError(
            f"out={str(out)!r} doesn't say the format; pass a name that ends in "
            f"{', '.join(f'.{each}' for each in FORMATS)}, or the format"
        )
    return ending


def studies_of(runs: Runs) -> list[Study]:
    """Return studies with what was passed as `report` takes it, each record once.

    Raises:
        ArgumentError: it is nothing that `report` takes.
        SourceError: one can't be read or has no records, or a dict is no record.
    """
    is_one = isinstance(runs, Study | str | PathLike | Mapping)
    each: list[Any] = [runs] if is_one or not hasattr(runs, "__iter__") else list(runs)
    if each and all(isinstance(one, Mapping) for one in each):
        found = [Study(check_records(each, Path("runs")))]
    else:
        found = [_study(one) for one in each]
    for study in found:
        if not study:
            raise SourceError(f"{study.source} has no records; run the sweep first")
    if not found:
        raise SourceError("there are no studies; pass one or more")
    return without_repeats(found)


def write_page(
    studies: Sequence[Study],
    path: Path,
    *,
    title: str | None = None,
    refresh: int | None = None,
    published: Sequence[PublishedRow] = (),
) -> None:
    """Write the page of studies; one that is there stays until the new one is whole.

    Args:
        studies: the studies, with records.
        path: the file.
        title: of the page; by default the studies' names.
        refresh: after how many seconds the page loads itself anew; None for never.
        published: published figures to show beside the measured ones.

    Raises:
        RunError: it can't be written.
    """
    # The page imports torch, for which a table shouldn't wait.
    from network_prune.reports.page.page import Look, page

    names = ", ".join(Path(study.source).name for study in studies)
    look = Look(title or names, refresh, published)
    with uncollected():
        text = page(studies, look)
    write_whole(path, text.encode())


def _study(run: Any) -> Study:
    if isinstance(run, Study):
        return run
    if not isinstance(run, str | PathLike):
        raise ArgumentError(
            f"{type(run).__name__} is no study; pass studies, their paths, or records alone"
        )
    return load_study(cast(str | PathLike[str], run))
