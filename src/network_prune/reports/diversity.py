"""How different draws are, beside dropout's: a table from the records of one network."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from network_prune.evaluation.mean import Mean, excludes_zero
from network_prune.reports.markdown import markdown_head, markdown_row
from network_prune.reports.tables import figures_text
from network_prune.results.naming import method_text
from network_prune.results.records import Record

_MODES = ("prune", "dropout", "difference")
_TITLES = ("method", "mode", "p_prune", "ratio", "Acc@1", "agreement", "cosine")
_DIGITS = {"acc1": 2, "agreement": 2, "cosine": 3}


def diversity_lines(records: Sequence[Record]) -> list[str]:
    """Return the table in Markdown, with what to know below."""
    dense = [record for record in records if record["variant"] is None]
    others = [record for record in records if record["variant"]]
    rows = [row for record in others for row in _rows(record)]
    head = markdown_head(_TITLES, words=2).splitlines()
    return ["", *head, *rows, "", *_foot(dense, others)]


def _rows(record: Record) -> Iterator[str]:
    variant, realised = record["variant"], record["realised"]
    ratio = variant["p_bern"] * realised["prunable"] / realised["elements"]
    for mode in _MODES:
        found = record["diversity"][mode]
        texts = (_mean(found[name], n, mode == "difference") for name, n in _DIGITS.items())
        name = [method_text(record), mode, f"{variant['p_prune']:g}", f"{ratio:.2%}"]
        yield markdown_row([*name, *texts])


def _mean(found: Mapping[str, Any], digits: int, is_difference: bool) -> str:
    mean = Mean(found["n"], found["total"], found["square_total"])
    sign = "+" if is_difference else ""
    mark = " *" if is_difference and excludes_zero(mean.interval) else ""
    return f"{mean.mean:{sign}.{digits}f} ± {mean.half_width:.{digits}f}{mark}"


def _foot(dense: Sequence[Record], others: Sequence[Record]) -> Iterator[str]:
    yield from (f"dense: {figures_text(record['metrics'])}" for record in dense)
    yield (
        "mean ± half the 95% interval over images; difference: prune less dropout, paired, * "
        "where its interval excludes 0"
    )
    yield (
        "agreement: percent of pairs of draws that predict the same class; cosine: of their input "
        "gradients"
    )
    if any(record["variant"]["p_bern"] == 1 for record in others):
        yield "warning: at p_bern 1 all draws of the prunable set are the same"
    found = [record["diversity"][mode] for record in others for mode in ("prune", "dropout")]
    left_out = max((each["left_out_of_cosine"] for each in found), default=0)
    if left_out:
        yield (
            f"warning: up to {left_out} images are left out of the cosine for a zero or "
            "non-finite gradient; the JSON says where"
        )
