"""One shard of a sweep, from what is there to what all shards found."""

import time
from pathlib import Path

from network_prune.core.usual_settings import usual_settings
from network_prune.errors import ArgumentError
from network_prune.pruning.unfinished import settling
from network_prune.results.parts.cut_file import Cut
from network_prune.results.parts.folder import part_files, shards_folder
from network_prune.results.parts.parts import Parts
from network_prune.results.study import Study
from network_prune.study.checked import check_plan
from network_prune.study.events import Told, Waiting
from network_prune.study.measure import Measure
from network_prune.study.plan import Plan
from network_prune.study.sharding.planned import plan_hash
from network_prune.study.sharding.shard import Shard
from network_prune.study.sharding.shard_run import ShardRun
from network_prune.study.sharding.whole import put_together, read_whole, recorded

_SECONDS_BETWEEN = 0.5


@settling
def sweep_shard(
    plan: Plan,
    *,
    out: Path,
    shard: Shard,
    told: Told,
    command: str = "",
    progress: bool | None = None,
) -> Study:
    """Evaluate a shard of a plan; the last one to be done puts all together.

    Args:
        plan: the whole study.
        out: its folder, made if it isn't there.
        shard: which share of it; the first of a group waits for the others.
        told: is given each event as it comes.
        command: that each shard runs, for people.
        progress: show a bar on stderr; None shows it on a terminal and in a notebook only.

    Returns:
        The plan's records once all shards are done, and none before.

    Raises:
        NetworkPruneError: what `sweep` raises, or the folder has other shards.
    """
    inputs = check_plan(plan)
    study = read_whole(plan_hash(plan, Measure()), out, told)
    if study:
        return study
    run = ShardRun(plan, inputs, out, shard, told)
    with usual_settings():
        cut = run.cut(command)
        run.run(cut, *recorded(out, told), progress=progress)
    if shard.is_first_of_group:
        _wait(out, cut, shard, told)
    return put_together(out, cut, told)


def check_no_shards(out: Path) -> None:
    """Refuse a folder that shards are at work in.

    Raises:
        ArgumentError: there are some that aren't put together yet.
    """
    cut = Cut.read(out)
    if cut is not None:
        raise ArgumentError(
            f"{out} is cut into {cut.shards} shards that aren't put together yet; pass --shard "
            f"I/{cut.shards} or --engine ray, or delete {shards_folder(out)} to begin anew"
        )


def _wait(out: Path, cut: Cut, shard: Shard, told: Told) -> None:
    """Wait until all others of a shard's group are done."""
    others = {*shard.group} - {shard.number}
    sizes: list[int] | None = None
    while others and Cut.read(out) is not None:
        now = [path.stat().st_size for path in part_files(out)]
        if now != sizes:
            missing = others & {unit.shard for unit in Parts(out, cut).missing()}
            if not missing:
                return
            if sizes is None:
                told(Waiting(tuple(sorted(missing))))
            sizes = now
        time.sleep(_SECONDS_BETWEEN)
