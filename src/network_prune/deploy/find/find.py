"""Find how far networks can be cut."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from network_prune.deploy.find.goal import Goal, MaxDrop, Point, goal_of
from network_prune.deploy.find.latency import check_removable
from network_prune.deploy.find.limit import Limit
from network_prune.deploy.find.probes import Probes
from network_prune.deploy.find.saved import check_saving, save_limit
from network_prune.deploy.find.search import last_that_holds
from network_prune.deploy.find.way import Way, ways_of
from network_prune.errors import ArgumentError, RunError, brief, check_fraction
from network_prune.evaluation.variant import Network
from network_prune.pruning.unfinished import settling
from network_prune.study.checked import check_plan
from network_prune.study.events import Failed, Told
from network_prune.study.plan import Plan, make_plan
from network_prune.study.sweep import warn_of_event

_ROUNDING: Final = 1e-9  # 1 / 0.01 is a little less than 100 in some steps


@settling
def find(
    plan: Mapping[str, Any],
    *,
    max_drop: float | None = None,
    params: float | str | None = None,
    macs: float | str | None = None,
    latency: float | str | None = None,
    step: float = 0.01,
    out: str | PathLike[str] | None = None,
    save: str | PathLike[str] | None = None,
    told: Told = warn_of_event,
    progress: bool | None = None,
) -> list[Limit]:
    """Find how far each network can be cut, in each of some ways.

    Either the largest p_prune that surely costs at most ``max_drop`` points of Acc@1, by the
    lower end of the paired 95 % interval of each draw; or the smallest that leaves at most a
    share of the parameters, or of the multiply-adds, not under a mask, or of the time that one
    picture takes once silenced neurons are removed. It is found by halving,
    in log2(1 / ``step``) evaluations of a network or one more, beside the dense one; each is a
    record, and what is recorded in ``out`` isn't evaluated again. That more pruned loses more is
    taken for granted: there may be larger p_prune that keep within the loss again.

    Args:
        plan: options of ``network-prune sweep`` with underscores. A ``p_prune`` is a mapping of
            fractions by layer, or in ``p_prune_file``; these keep their proportions, and what is
            looked for is the largest.
        max_drop: percentage points in (0, 100]; 1 if nothing else is asked for.
        params: share of the weights and biases, 0.6 or "60%".
        macs: share of the multiply-adds of convolutions, linear layers and attention.
        latency: share of the median time of one picture, measured here in turn with the dense
            network, on the first draw; goes with ``neurons``. Times aren't the same twice, so the
            limit may be a step off.
        step: p_prune is a multiple of it, in (0, 0.5].
        out: the study's folder, made if it isn't there; by default one that is removed.
        save: a new folder for ``weights.safetensors``, the state dict with masks as zeros,
            ``network.safetensors``, a packed file, where the network can be built anew,
            ``draw.safetensors``, a `Draw`, and ``found.json``; goes with one draw of one way.
        told: is given each event as it comes; by default, failures and notes
            are warnings.
        progress: as for `sweep`.

    Returns:
        What is found of each network and way, in the plan's order; of several networks one that
        fails is told and left out.

    Raises:
        ArgumentError: an option isn't allowed, the share is out of reach, or there is nothing
            to save.
        NetworkPruneError: what `sweep` raises.
    """
    goal = goal_of(max_drop, params=params, macs=macs, latency=latency)
    step = _step(step)
    full = _plan(plan)
    ways = list(ways_of(full))
    if save is not None:
        check_saving(Path(save), ways)
    if latency is not None:
        check_removable(ways)
    inputs = check_plan(full)
    failed = set[Network]()
    found: list[Limit] = []
    with _folder(out) as folder:
        probes = Probes(full, inputs, folder, told, progress, timed=latency is not None)
        for way in ways:
            if way.network in failed:
                continue
            try:
                found.append(_limit(way, goal, probes, step))
            except RunError:
                raise
            except Exception as error:
                told(Failed.among(full.variants, way.network, error))
                failed.add(way.network)
    if save is not None:
        save_limit(found[0], full, inputs, Path(save))
    return found


def _limit(way: Way, goal: Goal, probes: Probes, step: float) -> Limit:
    count = int(1 / step + _ROUNDING)
    found: dict[int, tuple[Point, Point]] = {}

    def goes_on(number: int) -> bool:
        found[number] = probes.at(way, _p_prune(number, step))
        return goal.goes_on(found[number][1])

    last = last_that_holds(count, goes_on)
    if not isinstance(goal, MaxDrop):
        last += 1  # the first that comes down to the share
        if last > count:
            raise ArgumentError(
                f"{goal} is out of reach, even with all prunable elements pruned; pass a larger "
                "share, or more layers to rank"
            )
    (dense, *_), points = zip(*(found[each] for each in sorted(found)), strict=True)
    return Limit(way, goal, dense, points, _p_prune(last, step))


def _p_prune(number: int, step: float) -> float:
    return round(number * step, 10)


def _plan(values: Mapping[str, Any]) -> Plan:
    is_by_layer = isinstance(values.get("p_prune"), Mapping)
    if ("p_prune" in values and not is_by_layer) or "grids" in values:
        raise ArgumentError(
            "find looks for p_prune itself; leave it out, or pass a mapping of fractions by layer, "
            "and leave out grids"
        )
    usual = {} if is_by_layer or values.get("p_prune_file") else {"p_prune": 1.0}
    plan = make_plan({**values, **usual})
    # Intervals are of differences to the dense network, and one that is recorded isn't run again.
    return replace(plan, options={**plan.options, "dense": True, "outcomes": True})


def _step(step: float) -> float:
    value = check_fraction("step", step)
    if not 0 < value <= 0.5:
        raise ArgumentError(f"step={brief(step)} leaves nothing to halve; pass e.g. 0.01")
    return value


@contextmanager
def _folder(out: str | PathLike[str] | None) -> Generator[Path]:
    if out is not None:
        yield Path(out)
    else:
        with TemporaryDirectory() as folder:
            yield Path(folder)
