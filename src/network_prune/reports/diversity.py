"""How different draws are, beside dropout's: a table from records."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from network_prune.evaluation.mean import Mean, excludes_zero
from network_prune.reports.markdown import markdown_head, markdown_line, markdown_row
from network_prune.reports.tables import figures_text
from network_prune.results.naming import network_text
from network_prune.results.records import Record
from network_prune.results.series.diverse import diverse
from network_prune.results.series.families import Family, told_apart

_MODES = ("prune", "dropout", "difference")
_TITLES = (
    *("network", "method", "mode", "p_prune", "p_bern"),
    *("ratio", "Acc@1", "agreement", "cosine"),
)
_DIGITS = {"acc1": 2, "agreement": 2, "cosine": 3}


def diversity_lines(records: Sequence[Record]) -> list[str]:
    """Return the table in Markdown, with what to know below."""
    families = diverse(records)
    rows = [
        row for family in families for record in family.records for row in _rows(family, record)
    ]
    head = markdown_head(_TITLES, words=3).splitlines()
    dense = {id(each.dense): each.dense for each in families if each.dense is not None}.values()
    return ["", *head, *rows, "", *_dense_lines([*dense]), *_foot(families)]


def _rows(family: Family, record: Record) -> Iterator[str]:
    variant, realised = record["variant"], record["realised"]
    ratio = variant["p_bern"] * realised["prunable"] / realised["elements"]
    for mode in _MODES:
        found = record["diversity"][mode]
        texts = (_mean(found[name], n, mode == "difference") for name, n in _DIGITS.items())
        name = [family.network, " ".join([family.method, *family.others_but_p_bern]), mode]
        numbers = [f"{variant['p_prune']:g}", f"{variant['p_bern']:g}", f"{ratio:.2%}"]
        yield markdown_row([*name, *numbers, *texts])


def _mean(found: Mapping[str, Any], digits: int, is_difference: bool) -> str:
    mean = Mean(found["n"], found["total"], found["square_total"])
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
