"""What stands above a study's rows, and below those of each network."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from network_prune.display.table import Part
from network_prune.display.terminal import head_lines
from network_prune.evaluation.metrics import FIGURES
from network_prune.evaluation.variant import Network, Variant
from network_prune.reports.tables import (
    difference_text,
    mean_cells,
    number,
    record_table,
    study_table,
    warning_lines,
)
from network_prune.results.groups import Draws, draws_of
from network_prune.results.naming import network_of
from network_prune.results.records import Record
from network_prune.sources.data.class_names import NUMBERS
from network_prune.sources.preprocessing import Preprocessing
from network_prune.study.plan import Plan

Parts = Callable[[Sequence[Record]], list[Part]]
_IN_HEAD = ("p_bern", "seed", "score", "scope")


def network_head(base: Mapping[str, Any]) -> dict[str, str]:
    """Return titles and texts of what all records of a network hold."""
    network, data = base["network"], base["data"]
    sha256 = network["weights_sha256"][:12]
    by = data.get("classes_by", NUMBERS)
    matched = "" if by == NUMBERS else f", classes by {by}"
    notes = base.get("notes", ())
    return {
        "network": f"{network['name']}, weights {network['weights']} (sha256 {sha256})",
        "preprocessing": str(Preprocessing(**base["preprocessing"])),
        "data": f"{data['name']}, {data['n']} images{matched}",
        **({"warning": "; ".join(notes)} if notes else {}),
    }


def plan_head(plan: Plan, device: str) -> dict[str, str]:
    """Return titles and texts of what a plan asks of all networks."""
    variants = {variant: None for each in plan.variants.values() for variant in each}
    options = plan.options
    amp = [f"amp {options['amp_dtype']}"] if options["amp"] else []
    cast = [f"dtype {options['dtype']}"] if options["dtype"] else []
    return {
        "pruning": _pruning(list(variants)) if variants else "none",
        "device": ", ".join([device, *amp, *cast]),
    }


def _pruning(variants: Sequence[Variant]) -> str:
    parts = [_values(variant.method for variant in variants)]
    parts += [f"p_prune {_values(variant.p_prune_text for variant in variants)}"]
    parts += [f"{name} {_values(getattr(v, name) for v in variants)}" for name in _IN_HEAD]
    if any(variant.floor for variant in variants):
        parts.append(f"floor {_values(variant.floor for variant in variants)}")
    if any(variant.with_norm for variant in variants):
        parts.append("with norm")
    counts = [variant.recalibrate for variant in variants if variant.recalibrate]
    if counts:
        some = "" if len(counts) == len(variants) else "some "
        parts.append(f"{some}recalibrated on {_values(counts)} images")
    return ", ".join(parts)


def _values(values: Iterable[Any]) -> str:
    texts = [f"{value:g}" if isinstance(value, float) else f"{value}" for value in values]
    return "/".join(dict.fromkeys(texts))


def below_rows(
    records: Sequence[Record],
    plan: Plan,
    heads: Mapping[Network, Mapping[str, str]],
    table: Parts | None,
    *,
    width: int | None = None,
) -> list[Part]:
    """Return lines for each network, and what to know of the plan.

    Args:
        records: what is shown.
        plan: the study.
        heads: what stands above a network's lines, if anything.
        table: shows one network's records, where they have no rows.
        width: of the terminal, for the heads.
    """
    lines: list[Part] = []
    for network in plan.variants:
        own = [record for record in records if network_of(record) == network]
        if not own:
            continue
        if network in heads:
            lines += ["", *head_lines(heads[network], width=width)]
        lines += [*(table or foot_lines)(own), *warning_lines(own)]
    return [*lines, *(f"warning: {note}" for note in plan.notes)]


def tables_alone(records: Sequence[Record], plan: Plan, table: Parts | None) -> list[Part]:
    """Return the tables of all records, and what to know of them and of the plan.

    Args:
        records: what is shown.
        plan: the study.
        table: shows one network's records, where they have no rows.
    """
    if table is not None:
        return below_rows(records, plan, {}, table)
    notes = [*warning_lines(records), *(f"warning: {note}" for note in plan.notes)]
    return [study_table(records), *notes]


def foot_lines(records: Sequence[Record]) -> list[Part]:
    """Return the means over draws of one network's records, and details of a single variant."""
    groups = list(draws_of(records))
    means = [mean_cells(Draws.of(group)) for group in groups if len(group) > 1]
    lines: list[Part] = [record_table(means, goes_on=True)] if means else []
    lines.append("")
    if means:
        lines.append("rows with ±: mean ± standard deviation over draws")
    if len(groups) <= 1:
        lines += _details(records[-1], is_one_of_many=bool(means))
    return lines


def _details(record: Record, *, is_one_of_many: bool) -> Iterator[str]:
    metrics = record["metrics"]
    if not is_one_of_many:
        intervals = (
            f"{title} [{', '.join(map(number, metrics[f'{name}_interval']))}]"
            for title, name in FIGURES.items()
        )
        yield f"95% intervals over {metrics['n']} images: {'  '.join(intervals)}"
        if record["difference"]:
            yield _to_dense(record["difference"])
    if record["score_data"]:
        kind, _, sha256 = record["score"].partition(":")
        images = f"{record['score_data']['n']} images of {record['score_data']['name']}"
        yield f"score: {kind} on {images} (sha256 {sha256[:12]})"
    if record["realised"]:
        draw = f"draw {record['variant']['index']}, " if is_one_of_many else ""
        yield draw + ratios_line(record["realised"])


def _to_dense(difference: Mapping[str, Any]) -> str:
    figures = (f"{title} {difference_text(difference, name)}" for title, name in FIGURES.items())
    won, lost = difference["gained1"], difference["lost1"]
    images = "image" if won == 1 else "images"
    return f"to dense, paired: {'  '.join(figures)}; Acc@1 won {won} {images}, lost {lost}"


def ratios_line(realised: Mapping[str, Any]) -> str:
    """Return the ratios of a summary as plain data in one line."""
    return (
        f"realised: {realised['pruned']} of {realised['elements']} {realised['granularity']}s "
        f"pruned ({realised['pruning_ratio']:.2%}); {realised['zeroed_ratio']:.2%} of the ranked "
        f"layers' weights zeroed ({realised['network_zeroed_ratio']:.2%} of the network's), "
        f"{realised['newly_zeroed'] / realised['weights']:.2%} newly; "
        f"{realised['zero_before_ratio']:.2%} were zero before"
    )
