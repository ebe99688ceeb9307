"""What was found, as files: the network's weights with masks as zeros, and the draw."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from network_prune.deploy.export.made import made_of
from network_prune.deploy.find.limit import Limit
from network_prune.deploy.find.way import Way
from network_prune.deploy.saved import save_network
from network_prune.errors import ArgumentError, RunError
from network_prune.pruning.masks.prune import make_permanent, prune
from network_prune.pruning.recalibration.recalibrate import recalibrate
from network_prune.sources.inputs import Inputs
from network_prune.study.plan import Plan
from network_prune.study.ready_network import ReadyNetwork

FOUND: Final = "found.json"


def check_saving(folder: Path, ways: Sequence[Way]) -> None:
    """Find out before a long run that what it finds couldn't be saved.

    Raises:
        ArgumentError: there are several ways or draws, or the folder is there and isn't empty.
    """
    if len(ways) != 1 or len(ways[0].draws) != 1:
        raise ArgumentError(
            f"save goes with one draw of one network pruned in one way, not with {len(ways)} ways "
            f"of {max(len(way.draws) for way in ways)} draws; pass one arch, method, score, scope "
            "and draw"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ArgumentError(f"save={str(folder)!r} is there already; pass a new folder")


def save_limit(limit: Limit, plan: Plan, inputs: Inputs, folder: Path) -> None:
    """Write what was found into a folder.

    Raises:
        ArgumentError: nothing was found that prunes.
        RunError: a file can't be written, or the network isn't what was measured any more.
    """
    if limit.point is limit.dense:
        raise ArgumentError(
            f"save={str(folder)!r}: no p_prune keeps {limit.goal}, so there is nothing to save; "
            "pass a larger max_drop, more images or a smaller step"
        )
    (variant,) = limit.way.at(limit.p_prune)
    ready = ReadyNetwork(limit.way.network, [variant], plan.options, inputs)
    (variant,) = ready.variants
    draw = ready.switcher().draw(variant)
    if draw.sha256 != limit.point.records[0]["draw_sha256"]:
        raise RunError(f"{limit.way.network} isn't the network that was measured; run it again")
    model = ready.loaded.model
    with prune(model, draw, with_norm=variant.with_norm):
        if ready.recalibration is not None and variant.recalibrate is not None:
            recalibrate(model, ready.recalibration.batches(variant.recalibrate))
        make_permanent(model)
    stage = "pruned" if variant.recalibrate is None else "recalibrated"
    save_network(
        folder,
        model,
        draw,
        name=FOUND,
        told=limit.to_dict(),
        network=ready.loaded,
        made=made_of(stage, ready.loaded, variant, draw),
    )
