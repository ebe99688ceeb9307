"""Records as rows: the user's tables, CSV and Parquet."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from network_prune.reports.markdown import markdown_head, markdown_row
from network_prune.study.plan import Network
from network_prune.study.records import RUNNING

Row = dict[str, Any]

_TITLES = ("network", "method", "p_prune", "p_bern", "draw", "images", "pruning ratio")
HEAD = markdown_head([*_TITLES, "eval performance", "Acc@1 to dense"], words=2)


def record_row(record: Mapping[str, Any]) -> str:
    """Return a record as a row below `HEAD`; what the cells hold is escaped."""
    row = flat_row(record)
    loss = "nan" if row["loss"] is None else f"{row['loss']:.3f}"
    figures = f"Loss {loss}  Acc@1 {row['acc1']:.3f}  Acc@5 {row['acc5']:.3f}"
    is_dense = row["method"] == "dense"
    cells = [
        str(Network(row["network"], Path(record["asked"]["weights"]).name)),
        " ".join([row["method"], *_unusual(record["variant"] or {}, record["running"])]),
        f"{row['p_prune']:g}",
        f"{row['p_bern']:g}",
        "–" if is_dense else f"{row['seed']}/{row['index']}",
        str(row["n"]),
        f"{row['pruning_ratio']:.2%}",
        figures,
        "–" if is_dense else _difference(record["difference"]),
    ]
    return markdown_row(cells)


def _unusual(variant: Mapping[str, Any], running: Mapping[str, Any]) -> Iterator[str]:
    """Yield those options that have no column of their own and aren't the default."""
    usual = {"score": "l1", "scope": "global", "layers": ["conv2d"], "include": [], "exclude": []}
    for name, value in usual.items():
        if variant.get(name, value) != value:
            yield f"{name}={','.join(variant[name]) if isinstance(value, list) else variant[name]}"
    if variant.get("with_norm"):
        yield "with norm"
    for name, value in {"dtype": None, "amp": None, "compile": False}.items():
        if running[name] != value:
            yield f"{name}={running[name]}"
    yield from (f"no {name}" for name in ("fold", "channels_last") if not running[name])


def warning_lines(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what to know about the figures of ``records``, each with how many it concerns."""
    counts = Counter(text for record in records for text in _warnings(record))
    return [f"warning: {count} of {len(records)}: {text}" for text, count in counts.items()]


def _warnings(record: Mapping[str, Any]) -> Iterator[str]:
    yield from (record.get("pruning") or {}).get("warnings", ())
    if (record.get("score_data") or {}).get("is_evaluation_data"):
        yield "the score was computed on images of the evaluation data"
    if record["metrics"]["non_finite"]:
        yield "images gave NaN or infinite outputs: counted as misses"
    if record["metrics"]["unreadable"]:
        yield "unreadable images were left out"


def flat_row(record: Mapping[str, Any]) -> Row:
    """Return a record's settings and figures as one flat row; percent, nats and fractions."""
    variant, metrics = record["variant"] or {}, record["metrics"]
    pruning, difference = record.get("pruning") or {}, record.get("difference") or {}
    intervals = {
        f"{name}_{end}": metrics[f"{name}_interval"][place]
        for name in ("loss", "acc1", "acc5")
        for place, end in enumerate(("low", "high"))
    }
    differences = {
        f"{name}_difference{end}": value
        for name in ("loss", "acc1", "acc5")
        for end, value in zip(("", "_low", "_high"), _three(difference, name), strict=True)
    }
    return {
        "network": record["network"]["name"],
        "weights": record["network"]["weights"],
        "data": record["data"]["name"],
        "method": variant.get("method", "dense"),
        **{name: variant.get(name, 0.0) for name in ("p_prune", "p_bern")},
        **{name: variant.get(name) for name in ("score", "scope", "seed", "index", "with_norm")},
        "layers": ",".join(variant.get("layers", [])),
        "pruning_ratio": pruning.get("pruning_ratio", 0.0),
        "zeroed_ratio": pruning.get("zeroed_ratio", 0.0),
        "network_zeroed_ratio": pruning.get("network_zeroed_ratio", 0.0),
        "newly_zeroed": pruning.get("newly_zeroed", 0),
        **{name: metrics[name] for name in ("n", "loss", "acc1", "acc5")},
        **intervals,
        **differences,
        **{name: metrics[name] for name in ("non_finite", "unreadable")},
        "weights_sha256": record["network"]["weights_sha256"],
        "data_identity": record["data"]["identity"],
        **{name: record["running"][name] for name in RUNNING},
        "torch": record["versions"]["torch"],
        "prunable_sha256": record.get("prunable_sha256"),
        "draw_sha256": record.get("draw_sha256"),
        "key": record["key"],
    }


def _three(difference: Mapping[str, Any], name: str) -> Sequence[float | None]:
    if not difference:
        return (None, None, None)
    return (difference[f"{name}_difference"], *difference[f"{name}_interval"])


def _difference(difference: Mapping[str, Any]) -> str:
    low, high = difference["acc1_interval"]
    return f"{difference['acc1_difference']:+.3f} [{low:+.3f}, {high:+.3f}]"
