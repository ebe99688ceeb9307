"""A sweep on a cluster of Ray's, from what is there to what was found."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from network_prune.core.usual_settings import usual_settings
from network_prune.pruning.unfinished import settling
from network_prune.results.study import Study
from network_prune.study.checked import check_measure, check_plan
from network_prune.study.engines.cluster import Cluster
from network_prune.study.engines.ray_run import RayRun
from network_prune.study.events import Told
from network_prune.study.measure import Measure
from network_prune.study.plan import Plan
from network_prune.study.sharding.networks import StudyNetworks
from network_prune.study.sharding.planned import plan_hash
from network_prune.study.sharding.shard import MOST
from network_prune.study.sharding.whole import put_together_so_far, read_whole, recorded

# Shares for each slot, so that those that end early find more to do.
_SHARES: Final = 4


@settling
def sweep_on_ray(
    plan: Plan,
    *,
    out: Path,
    cluster: Cluster,
    told: Told,
    measure: Measure | None = None,
    command: str = "",
    progress: bool | None = None,
) -> Study:
    """Evaluate what isn't recorded yet of a plan in tasks of Ray's, and return all its records.

    They are those that one process records, byte for byte. Networks are loaded here and travel
    to each machine once; each machine reads the images itself. What is finished is in
    ``out/shards``, in the form that shards have, and a run that was killed goes on from there.

    Args:
        plan: the whole study.
        out: its folder on this machine, made if it isn't there.
        cluster: where tasks run, and what each takes.
        told: is given each event as it comes.
        measure: as for `sweep`.
        command: that was called, for people.
        progress: show a bar on stderr; None shows it on a terminal and in a notebook only.

    Raises:
        NetworkPruneError: what `sweep` raises, or there is no such cluster.
    """
    kind = cluster.device(plan.options["device"])
    inputs = check_plan(_with_options(plan, device="cpu"))
    workers = plan.options["workers"]
    if workers is None:
        workers = cluster.cpus if cluster.cpus > 1 else 0
    plan = _with_options(plan, device=kind, workers=workers)
    measure = check_measure(measure, out)
    study = read_whole(plan_hash(plan, measure), out, told)
    if study:
        return study
    with cluster.joined() as ray, usual_settings():
        networks = StudyNetworks(plan, inputs, out, measure=measure, device=torch.device(kind))
        shares = _SHARES * cluster.check_slots(ray)
        cut = networks.cut(lambda ready: min(shares, _passes(plan, ready.data.n), MOST), command)
        run = RayRun(ray, cluster, plan, networks, out, told)
        run.run(cut, *recorded(out, told), progress=progress)
    return put_together_so_far(out, cut, told)


def _with_options(plan: Plan, **options: object) -> Plan:
    return replace(plan, options={**plan.options, **options})


def _passes(plan: Plan, images: int) -> int:
    """Return how many batches are computed in all, of scope ``alone`` at the least."""
    variants = sum(max(len(each), 1) for each in plan.variants.values())
    return variants * math.ceil(images / plan.options["batch_size"])
