"""Evaluate a plan's variants, each batch read once, and record each as soon as it is finished."""

import gc
import os
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from network_prune.core.usual_settings import usual_settings
from network_prune.display.text import warn
from network_prune.errors import ArgumentError, RunError
from network_prune.evaluation.variant import Network
from network_prune.pruning.unfinished import settling
from network_prune.results.lines.notices import Notice
from network_prune.results.records import HeldRecords, Record, RecordFile
from network_prune.results.study import Study
from network_prune.sources.inputs import Inputs
from network_prune.study.checked import check_measure, check_plan
from network_prune.study.events import Event, Failed, Started, Told
from network_prune.study.measure import Measure
from network_prune.study.plan import Plan, make_plan
from network_prune.study.ready_network import ReadyNetwork
from network_prune.study.running.network_run import NetworkRun
from network_prune.study.sharding.shard import Shard
from network_prune.study.sharding.sweep_shard import check_no_shards, sweep_shard


def warn_of_event(event: Event) -> None:
    """Warn of what a caller who listens to no events should know."""
    texts = event.base["notes"] if isinstance(event, Started) else ()
    if isinstance(event, Failed | Notice):
        texts = (str(event),)
    warn(texts, stacklevel=3)


@settling
def sweep(
    plan: Plan | Mapping[str, Any],
    *,
    out: str | PathLike[str] | None = None,
    measure: Measure | None = None,
    told: Told = warn_of_event,
    progress: bool | None = None,
    shard: str | None = None,
) -> Study:
    """Evaluate every variant of ``plan`` that isn't recorded yet, and return all its records.

    For each network, each batch of images is read and decoded once, and the dense network
    and all variants run on it. A variant's record is appended to ``records.jsonl`` in
    ``out`` when its last image is done; a killed run goes on where it was. One of several
    networks that fails is told and left out.

    Args:
        plan: what to evaluate; a mapping of ``network-prune sweep``'s options with
            underscores, e.g. ``{"method": ["weights", "neurons"], "p_prune": [0.1, 0.2]}``.
        out: the study's folder, made if it isn't there; None keeps records in memory alone.
        measure: what is found out of each variant; by default loss and accuracy. A folder
            keeps these and what `DrawsCompared` finds.
        told: is given each event as it comes: a network has started or failed, a variant
            has seen another batch or is recorded. By default, failures are warnings.
        progress: show a bar on stderr; None shows it on a terminal and in a notebook only.
        shard: ``I/N``, of N processes, on any machines that have ``out``, the share that this
            one evaluates, kept in ``out/shards``. The last one to be done puts all together
            and returns the records; the others return none.

    Raises:
        ArgumentError: an option isn't allowed, or ``out`` is cut into other shards.
        NetworkPruneError: the only network fails.
        RunError: another run writes to ``out``, or nothing can be written there.
        SourceError: what is recorded there can't be read, or a name in it means other bytes now.
    """
    plan = plan if isinstance(plan, Plan) else make_plan(plan)
    measure = check_measure(measure, out)
    part = Shard() if shard is None else Shard.parse(shard)
    if part.count > 1:
        if out is None:
            raise ArgumentError(f"shard={shard!r} needs a folder that all shards have; pass out")
        return sweep_shard(plan, out=Path(out), shard=part, told=told, progress=progress)
    return sweep_over(
        check_plan(plan), plan, out=out, measure=measure, told=told, progress=progress
    )


def sweep_over(
    inputs: Inputs,
    plan: Plan,
    *,
    out: str | PathLike[str] | None,
    measure: Measure,
    told: Told,
    progress: bool | None,
) -> Study:
    """Do what `sweep` does, on images that are listed already; the plan is checked."""
    if out is not None:
        check_no_shards(Path(out))
    found: list[Record] = []
    records = HeldRecords() if out is None else RecordFile(Path(out))
    with records as kept, usual_settings():
        for notice in kept.notices:
            told(notice)
        for network in plan.variants:
            found += _run_network(network, plan, inputs, kept, measure, told, progress)
            if len(plan.variants) > 1:
                # Networks whose modules refer to each other in circles would stay in memory.
                gc.collect()
    return Study(found, kept.outcomes, source="memory" if out is None else os.fspath(out))


def _run_network(
    network: Network,
    plan: Plan,
    inputs: Inputs,
    kept: HeldRecords | RecordFile,
    measure: Measure,
    told: Told,
    progress: bool | None,
) -> list[Record]:
    try:
        variants = plan.variants[network]
        ready = ReadyNetwork(network, variants, plan.options, inputs, measure=measure)
    except Exception as error:
        told(Failed.among(plan.variants, network, error))
        return []
    ready.identity.check_names(kept.heads())
    run = NetworkRun(ready, kept, told)
    try:
        run.run(progress=progress)
    except RunError:
        raise
    except Exception as error:
        told(Failed.among(plan.variants, network, error))
    return run.records()
