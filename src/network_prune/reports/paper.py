"""A study for a paper: its tables in Markdown or CSV, its pictures in SVG, PNG or PDF."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from network_prune.display.canvas import FORMATS, PAPER, looks, save_plot
from network_prune.errors import check_choice
from network_prune.evaluation.metrics import FIGURES
from network_prune.extras import require
from network_prune.reports.diversity import diversity_lines
from network_prune.reports.exports import write_csv
from network_prune.reports.layers import layer_lines
from network_prune.reports.markdown import markdown_head, markdown_row, markdown_text
from network_prune.reports.plots import arranged
from network_prune.results.groups import last_of_each
from network_prune.results.naming import network_text
from network_prune.results.records import Record
from network_prune.results.series.alone import alone_records
from network_prune.results.series.curves import Curve, Point, Spread, curves, point_of
from network_prune.results.series.diverse import diverse
from network_prune.results.series.families import setting_of, told_apart
from network_prune.results.series.pictures import check_any, landing_pictures, pictures
from network_prune.results.study import Study
from network_prune.whole_file import write_whole

PAPER_FORMATS: Final = ("md", "csv", *FORMATS)
COLUMN: Final = 3.3  # inches
_TITLES: Final = ("network", "p_prune", "p_bern", "pruning ratio", "eval performance")


def write_paper(
    studies: Sequence[Study], path: Path, *, format: str, width: float = COLUMN
) -> None:
    """Write the tables or the pictures of studies to a file, whole or not at all.

    Args:
        studies: one or more.
        path: where to.
        format: one of `PAPER_FORMATS`. ``md`` has the rows of a Markdown table, means ±
            standard deviations over draws, and ``csv`` a row for each record; ``svg``,
            ``png`` and ``pdf`` have the curves of each network, then heat maps of layers
            pruned alone and of where pruning lands. Fonts come along: in PDF embedded as
            TrueType, in SVG as shapes. The same records give the same bytes.
        width: of pictures, in inches.

    Raises:
        ArgumentError: the format is unknown, or there is nothing to draw.
        RunError: ``path`` can't be written.
        SourceError: pictures are asked for and matplotlib isn't installed.
    """
    check_choice("format", format, PAPER_FORMATS)
    records = [record for study in studies for record in study]
    if format == "csv":
        write_csv(lambda: (row for study in studies for row in study.rows()), path)
    elif format == "md":
        write_whole(path, "\n".join([*tables(records), ""]).encode())
    else:
        _write_pictures(records, path, format, width)


def tables(records: Sequence[Record]) -> list[str]:
    """Return the lines of a table for each way to prune, then those of other studies.

    Dense networks of which nothing pruned is recorded have a table of their own.
    """
    methods: dict[str, list[Curve]] = {}
    for curve in curves(records):
        others = [text for text in curve.others if not text.startswith("p_bern=")]
        methods.setdefault(" ".join([curve.method, *others]), []).append(curve)
    lines: list[str] = []
    for label, own in methods.items():
        rows = dict.fromkeys(row for curve in own for row in _rows(curve))  # dense once
        lines += _table(f"Prune {markdown_text(label)}", rows)
    alone = alone_records(records)
    lines += ["### One layer at a time", *layer_lines(alone), ""] if alone else []
    lines += ["### Draws beside dropout", *diversity_lines(records), ""] if diverse(records) else []
    dense = _only_dense(records)
    apart = told_apart(dense, [()] * len(dense))
    names = [" ".join([network_text(each), *own]) for each, own in zip(dense, apart, strict=True)]
    rows = map(_row, names, map(point_of, ([each] for each in dense)))
    lines += _table("Dense", rows) if dense else []
    return lines[:-1]


def _only_dense(records: Sequence[Record]) -> list[Record]:
    """Return the dense networks' records beside which there is none of anything pruned."""
    pruned = {setting_of(record) for record in records if record["variant"]}
    dense = [record for record in last_of_each(records) if record["variant"] is None]
    return [record for record in dense if setting_of(record) not in pruned]


def _table(title: str, rows: Iterable[str]) -> list[str]:
    return [f"### {title}", "", markdown_head(_TITLES, words=1), *rows, ""]


def _rows(curve: Curve) -> Iterator[str]:
    yield from (_row(curve.network, point) for point in curve.points)


def _row(name: str, point: Point) -> str:
    figures = "  ".join(f"{title} {_figure(point, figure)}" for title, figure in FIGURES.items())
    settings = (f"{point.p_prune:g}", f"{point.p_bern:g}", f"{point.ratio:.2%}")
    return markdown_row([name, *settings, figures])


def _figure(point: Point, name: str) -> str:
    spread: Spread = getattr(point, name)
    over_draws = "" if math.isnan(spread.deviation) else f" ± {spread.deviation:.3f}"
    return f"{spread.mean:.3f}{over_draws}"


def _write_pictures(records: Sequence[Record], path: Path, kind: str, width: float) -> None:
    require("matplotlib", extra="report", what=f"--format {kind}")
    found = [picture for kind in pictures(records) for picture in kind]
    check_any(found)
    found += landing_pictures(records)
    with looks(PAPER):
        save_plot(arranged([[picture] for picture in found], width=width), path, kind=kind)
