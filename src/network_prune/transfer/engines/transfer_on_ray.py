"""A transfer run on a cluster of Ray's, from what is recorded to what was found."""

from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from network_prune.core.usual_settings import usual_settings
from network_prune.results.records import RecordFile
from network_prune.study.engines.cluster import Cluster
from network_prune.transfer.engines.batches_on_ray import ReadyForRay
from network_prune.transfer.plan import TransferPlan
from network_prune.transfer.running.events import Told
from network_prune.transfer.transfer import attack_rows
from network_prune.transfer.transferred import TRANSFER, Transfer


def transfer_on_ray(
    plan: TransferPlan,
    *,
    out: Path,
    cluster: Cluster,
    told: Told,
    save_images: Path | None = None,
    progress: bool | None = None,
) -> Transfer:
    """Compute every row that isn't recorded yet in tasks of Ray's, and return all its records.

    But for times they are those of `transfer`, byte for byte. Networks are loaded here and
    travel to each machine once; each machine reads the images itself, and a task attacks one
    batch. A run that was killed goes on at the batches where it was, in one process, too.

    Args:
        plan: what to compute.
        out: the run's folder on this machine, made if it isn't there.
        cluster: where tasks run, and what each takes.
        told: is given each event as it comes.
        save_images: as for `transfer`; a folder on this machine.
        progress: show a bar on stderr; None shows it on a terminal and in a notebook only.

    Raises:
        NetworkPruneError: what `transfer` raises, or there is no such cluster.
    """
    kind = cluster.device(plan.options["device"])
    with ExitStack() as held:
        kept = held.enter_context(RecordFile(out, TRANSFER))
        held.enter_context(usual_settings())

        @cache
        def join() -> Any:
            ray = held.enter_context(cluster.joined())
            cluster.check_slots(ray)
            return ray

        for notice in kept.notices:
            told(notice)
        ready = ReadyForRay(plan, kind, cluster, join, out)
        keys = attack_rows(
            plan,
            ready,
            run=ready.run,
            kept=kept,
            saved_in=save_images,
            told=told,
            progress=progress,
        )
        found = [kept.records[key] for key in keys]
    return Transfer(found, kept.outcomes, source=str(out))
