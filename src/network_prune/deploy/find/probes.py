"""Points of one way to prune, each evaluated when it is asked for."""

from dataclasses import replace
from pathlib import Path

from network_prune.deploy.costs.left import LayerCosts, Left, layer_costs
from network_prune.deploy.find.goal import Point
from network_prune.deploy.find.latency import latency_left
from network_prune.deploy.find.way import Way
from network_prune.sources.inputs import Inputs
from network_prune.study.events import Told
from network_prune.study.measure import Measure
from network_prune.study.plan import Plan
from network_prune.study.sweep import sweep_over


class Probes:
    """Evaluates points as sweeps into one folder, which evaluate nothing that is recorded there.

    Args:
        plan: the options.
        inputs: loads networks and images.
        out: the folder.
        told: is given what happens.
        progress: as for `sweep`.
        timed: whether to measure the time without silenced neurons as well.
    """

    def __init__(
        self,
        plan: Plan,
        inputs: Inputs,
        out: Path,
        told: Told,
        progress: bool | None,
        *,
        timed: bool,
    ) -> None:
        self._plan, self._inputs, self._out = plan, inputs, out
        self._told, self._progress, self._timed = told, progress, timed
        self._costs: dict[str, LayerCosts] = {}

    def at(self, way: Way, p_prune: float) -> tuple[Point, Point]:
        """Return the dense network, and the draws at a p_prune."""
        plan = replace(self._plan, variants={way.network: way.at(p_prune)})
        dense, *records = sweep_over(
            self._inputs,
            plan,
            out=self._out,
            measure=Measure(),
            told=self._told,
            progress=self._progress,
        )
        left = self._dense_costs(way).left(records)
        if self._timed:
            (first, *_) = way.at(p_prune)
            share = latency_left(way.network, first, self._plan.options, self._inputs)
            left = replace(left, latency=share)
        return Point(0.0, (dense,), Left()), Point(p_prune, tuple(records), left)

    def _dense_costs(self, way: Way) -> LayerCosts:
        network = str(way.network)
        if network not in self._costs:
            loaded = self._inputs.load_network(way.network.arch, way.network.weights)
            self._costs[network] = layer_costs(loaded)
        return self._costs[network]
