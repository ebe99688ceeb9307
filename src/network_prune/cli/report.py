"""What ``network-prune eval`` prints and writes."""

import json
from pathlib import Path
from typing import Any

from network_prune.cli import output
from network_prune.cli.settings import PruneSettings
from network_prune.core.prunable import PrunableSet
from network_prune.errors import RunError
from network_prune.sources.data import LoadedData
from network_prune.sources.networks import LoadedNetwork
from network_prune.study.draws import DrawResult
from network_prune.study.metrics import plain


class EvaluationReport:
    """Collects results, shows each as it comes, and closes with what belongs below.

    Args:
        network: what was evaluated.
        data: the images.
        settings: the pruning options.
        prunable: the prunable set.
        running: how it was computed, as plain data.
        show: print text as results come; otherwise `finish` prints JSON.
    """

    def __init__(
        self,
        *,
        network: LoadedNetwork,
        data: LoadedData,
        settings: PruneSettings,
        prunable: PrunableSet,
        running: dict[str, Any],
        show: bool,
    ) -> None:
        self._network = network
        self._data = data
        self._settings = settings
        self._prunable = prunable
        self._running = running
        self._show = show
        self._results: list[DrawResult] = []
        if show:
            self._print_head()

    def add(self, result: DrawResult) -> None:
        """Take up one draw's result."""
        self._results.append(result)
        if self._show:
            self._print_row(result.summary.total.pruning_ratio, str(result.metrics))

    def finish(self, path: Path | None) -> None:
        """Print what is left, and write the JSON to ``path`` if there is one.

        Raises:
            RunError: the file can't be written.
        """
        if self._show:
            self._print_foot()
        else:
            print(json.dumps(self._record(), indent=2))
        if path is None:
            return
        try:
            path.write_text(json.dumps(self._record(), indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror or error}") from None

    def _print_head(self) -> None:
        settings, network = self._settings, self._network
        draws = f"seed {settings.seed}, p_bern {settings.p_bern:g}"
        lines = {
            "network": f"{network.name}, weights {network.weights} "
            f"(sha256 {network.weights_sha256[:12]})",
            "preprocessing": str(self._network.preprocessing),
            "data": f"{self._data.name}, {self._data.n} images",
            "pruning": f"{settings.method}, p_prune {settings.p_prune:g}, {draws}, "
            f"score {settings.score}, scope {settings.scope}"
            + (", with norm" if settings.with_norm else ""),
            "device": self._running["device"]
            + (f", amp {self._running['amp_dtype']}" if self._running["amp"] else ""),
        }
        for title, text in lines.items():
            print(f"{title:<14} {text}")
        print(f"\n{output.table_head()}", flush=True)

    def _print_row(self, ratio: float, performance: str) -> None:
        name = self._network.name
        print(output.table_row(name, self._settings, ratio, performance), flush=True)

    def _print_foot(self) -> None:
        results = self._results
        if len(results) > 1:
            ratio = sum(r.summary.total.pruning_ratio for r in results) / len(results)
            metrics = [result.metrics for result in results]
            self._print_row(ratio, output.deviation_text(metrics))
            print(f"\nlast row: mean ± standard deviation of {len(results)} draws")
            print(f"draw {results[-1].index}, ", end="")
        else:
            print(f"\n{output.intervals_line(results[0].metrics)}")
        print(output.ratios_line(results[-1].summary))
        for warning in self._warnings():
            print(f"warning: {warning}")

    def _warnings(self) -> list[str]:
        found = {line: None for result in self._results for line in result.summary.warnings}
        if len(self._results) > 1 and self._settings.p_bern in (0.0, 1.0):
            found[f"at p_bern {self._settings.p_bern:g} all draws are the same"] = None
        metrics = self._results[-1].metrics
        if metrics.non_finite:
            found[
                f"{metrics.non_finite} images gave NaN or infinite outputs: counted as misses"
            ] = None
        if metrics.unreadable:
            found[f"{metrics.unreadable} unreadable images were left out"] = None
        return list(found)

    def _record(self) -> dict[str, Any]:
        figures = output.mean_and_deviation([result.metrics for result in self._results])
        return {
            "network": output.describe_network(self._network),
            "preprocessing": self._network.preprocessing.to_dict(),
            "data": {
                "name": self._data.name,
                "n": self._data.n,
                "identity": self._data.identity,
            },
            "pruning": output.describe_settings(self._settings),
            "prunable_sha256": self._prunable.sha256,
            "running": self._running,
            "draws": [result.to_dict() for result in self._results],
            "mean": {name: plain(mean) for name, (mean, _) in figures.items()},
            "standard_deviation": {name: plain(sd) for name, (_, sd) in figures.items()},
            "versions": output.describe_versions(),
        }
