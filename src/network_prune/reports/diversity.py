"""How different draws are, beside dropout's: a table from records."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from network_prune.display.table import Column, Part, Table
from network_prune.evaluation.mean import Mean, excludes_zero, plain
from network_prune.reports.forms.forms import markdown_lines
from network_prune.reports.markdown import markdown_line
from network_prune.reports.tables import figures_text
from network_prune.results.axes import axes
from network_prune.results.naming import network_text
from network_prune.results.records import Record
from network_prune.results.series.diverse import diverse
from network_prune.results.series.families import Family, told_apart

_MODES = ("prune", "dropout", "difference")
_COLUMNS = (
    Column("network", is_words=True, goes=5),
    Column("method", is_words=True),
    Column("mode", is_words=True),
    Column("p_prune"),
    Column("p_bern", goes=4),
    Column("ratio", goes=1),
    Column("Acc@1", goes=3),
    Column("agreement"),
    Column("cosine", goes=2),
)
_DIGITS = {"acc1": 2, "agreement": 2, "cosine": 3}


def diversity_lines(records: Sequence[Record]) -> list[str]:
    """Return the table in Markdown, with what to know below."""
    return markdown_lines(diversity_parts(records))


def diversity_parts(records: Sequence[Record]) -> list[Part]:
    """Return the table, with what to know below."""
    families = diverse(records)
    shown = [(family, record) for family in families for record in family.records]
    rows = [row for each in shown for row in _rows(*each)]
    data = [row for _, record in shown for row in _data(record)]
    dense = {id(each.dense): each.dense for each in families if each.dense is not None}.values()
    return ["", Table(_COLUMNS, rows, data), "", *_dense_lines([*dense]), *_foot(families)]


def _rows(family: Family, record: Record) -> Iterator[list[str]]:
    variant = record["variant"]
    for mode in _MODES:
        found = record["diversity"][mode]
        texts = (_mean(found[name], n, mode == "difference") for name, n in _DIGITS.items())
        name = [family.network, " ".join([family.method, *family.others_but_p_bern]), mode]
        numbers = [f"{variant['p_prune']:g}", f"{variant['p_bern']:g}", f"{_ratio(record):.2%}"]
        yield [*name, *numbers, *texts]


def _data(record: Record) -> Iterator[dict[str, Any]]:
    """Yield a record's rows as plain numbers: its settings, then means with their intervals."""
    for mode in _MODES:
        figures: dict[str, Any] = {}
        for name in _DIGITS:
            mean = _mean_of(record["diversity"][mode][name])
            low, high = map(plain, mean.interval)
            figures |= {name: plain(mean.mean), f"{name}_low": low, f"{name}_high": high}
        draws = record["diversity"]["draws"]
        yield {**axes(record), "draws": draws, "mode": mode, "ratio": _ratio(record), **figures}


def _ratio(record: Record) -> float:
    """Return the ratio that is expected of a draw."""
    realised = record["realised"]
    return record["variant"]["p_bern"] * realised["prunable"] / realised["elements"]


def _mean_of(found: Mapping[str, Any]) -> Mean:
    return Mean(found["n"], found["total"], found["square_total"])


def _mean(found: Mapping[str, Any], digits: int, is_difference: bool) -> str:
    mean = _mean_of(found)
    sign = "+" if is_difference else ""
    mark = " *" if is_difference and excludes_zero(mean.interval) else ""
    return f"{mean.mean:{sign}.{digits}f} ± {mean.half_width:.{digits}f}{mark}"


def _dense_lines(dense: Sequence[Record]) -> Iterator[str]:
    for record, others in zip(dense, told_apart(dense, [()] * len(dense)), strict=True):
        name = " ".join([network_text(record), "dense", *others]) if len(dense) > 1 else "dense"
        yield f"{markdown_line(name)}: {figures_text(record['metrics'])}"


def _foot(families: Sequence[Family]) -> Iterator[str]:
    records = [record for family in families for record in family.records]
    yield (
        "mean ± half the 95% interval over images; difference: prune less dropout, paired, * "
        "where its interval excludes 0"
    )
    yield (
        "agreement: percent of pairs of draws that predict the same class; cosine: of their input "
        "gradients"
    )
    if any(record["variant"]["p_bern"] == 1 for record in records):
        yield "warning: at p_bern 1 all draws of the prunable set are the same"
    found = [record["diversity"][mode] for record in records for mode in ("prune", "dropout")]
    left_out = max((each["left_out_of_cosine"] for each in found), default=0)
    if left_out:
        yield (
            f"warning: up to {left_out} images are left out of the cosine for a zero or "
            "non-finite gradient; the JSON says where"
        )
