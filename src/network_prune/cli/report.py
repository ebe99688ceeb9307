"""What ``network-prune eval`` tells of one network."""

from typing import Any

from network_prune.cli import output
from network_prune.core.prunable import PrunableSet
from network_prune.evaluation.draws import DrawResult
from network_prune.evaluation.faster_copy.prepare import Prepared
from network_prune.evaluation.mean import plain
from network_prune.evaluation.variant import PruneSettings
from network_prune.sources.data.load import LoadedData
from network_prune.sources.networks.load import LoadedNetwork
from network_prune.study.identity import (
    describe_inputs,
    describe_settings,
    describe_versions,
)


class NetworkReport:
    """One network's results as text and as plain data; keeps neither network nor images.

    Args:
        network: what is evaluated.
        data: the images.
        settings: the pruning options.
        prunable: the prunable set.
        running: how it is computed, as plain data.
        score_data: the images that the score was computed on, as plain data, None if
            it needed none.

    Attributes:
        name: the network as it was asked for.
    """

    def __init__(
        self,
        *,
        network: LoadedNetwork,
        data: LoadedData,
        settings: PruneSettings,
        prunable: PrunableSet,
        running: dict[str, Any],
        score_data: dict[str, Any] | None,
    ) -> None:
        self.name = network.name
        self._head = output.inputs_head(network, data)
        self._inputs = describe_inputs(network, data)
        self._settings = settings
        self._prunable_sha256 = prunable.sha256
        self._score = prunable.score
        self._score_data = score_data
        self._running = running
        self._results: list[DrawResult] = []

    def use(self, prepared: Prepared) -> None:
        """Take up how the network is computed in fact."""
        self._running |= {
            "channels_last": prepared.channels_last,
            "folded_norms": prepared.folded,
        }

    def add(self, result: DrawResult) -> str:
        """Take up one draw's result and return its row of the table."""
        self._results.append(result)
        ratio = result.summary.total.pruning_ratio
        return output.table_row(self.name, self._settings, f"{ratio:.2%}", str(result.metrics))

    def mean_row(self) -> str:
        """Return the row with mean and standard deviation of the draws."""
        ratios = [result.summary.total.pruning_ratio for result in self._results]
        text = output.deviation_text([result.metrics for result in self._results])
        ratio = f"{sum(ratios) / len(ratios):.2%}"
        return output.table_row(self.name, self._settings, ratio, text)

    def head(self) -> dict[str, str]:
        """Return title and text of what is known before the first result."""
        if not self._score_data:
            return self._head
        kind, _, sha256 = self._score.partition(":")
        images = f"{self._score_data['n']} images of {self._score_data['name']}"
        return {**self._head, "score": f"{kind} on {images} (sha256 {sha256[:12]})"}

    def foot(self) -> list[str]:
        """Return the lines that belong below the results."""
        last = self._results[-1]
        ratios = output.ratios_line(last.summary)
        if len(self._results) > 1:
            lines = [
                f"last row: mean ± standard deviation of {len(self._results)} draws",
                f"draw {last.index}, {ratios}",
            ]
        else:
            lines = [output.intervals_line(last.metrics), ratios]
        return lines + [f"warning: {warning}" for warning in self._warnings()]

    def record(self) -> dict[str, Any]:
        """Return everything as plain data, for JSON."""
        figures = output.mean_and_deviation([result.metrics for result in self._results])
        return {
            **self._inputs,
            "pruning": {**describe_settings(self._settings), "score": self._score},
            "score_data": self._score_data,
            "prunable_sha256": self._prunable_sha256,
            "running": self._running,
            "draws": [result.to_dict() for result in self._results],
            "mean": {name: plain(mean) for name, (mean, _) in figures.items()},
            "standard_deviation": {name: plain(sd) for name, (_, sd) in figures.items()},
            "warnings": self._warnings(),
            "versions": describe_versions(),
        }

    def _warnings(self) -> list[str]:
        found = {line: None for result in self._results for line in result.summary.warnings}
        if self._score_data and self._score_data["is_evaluation_data"]:
            found[
                "the score was computed on images of the evaluation data; pass --score-data to "
                "take others"
            ] = None
        if len(self._results) > 1 and self._settings.p_bern in (0.0, 1.0):
            found[f"at p_bern {self._settings.p_bern:g} all draws are the same"] = None
        return [*found, *output.left_out_lines(self._results[-1].metrics)]
