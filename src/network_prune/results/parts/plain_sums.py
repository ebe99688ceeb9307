"""What was summed up of a variant, as plain data and back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from network_prune.evaluation.metrics import Metrics
from network_prune.evaluation.one_pass import Sums
from network_prune.evaluation.outcomes import Outcomes
from network_prune.evaluation.paired import Paired
from network_prune.results.outcome_store import from_text, to_text
from network_prune.results.parts.diverse_sums import Comparison, DiverseSums


def to_plain(sums: Sums) -> dict[str, Any]:
    """Return sums as plain data for JSON."""
    return {**asdict(sums), "outcomes": to_text(sums.outcomes.codes)}


def from_plain(entry: Mapping[str, Any]) -> Sums:
    """Return what `to_plain` gave as plain data.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    sums = Sums(
        Metrics(**entry["metrics"]),
        Paired(**entry["paired"]),
        Outcomes(from_text(entry["outcomes"])),
        tuple(entry["losses"]),
    )
    if "comparison" not in entry:
        return sums
    return DiverseSums.beside(sums, Comparison.from_plain(entry["comparison"]), entry["draws"])
