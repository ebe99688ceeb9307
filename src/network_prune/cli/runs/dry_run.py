"""What a study would evaluate, and about how long it would take."""

from pathlib import Path

from network_prune.cli.output import say
from network_prune.cli.recorded import tell
from network_prune.plain_text import counted
from network_prune.results.records import FILE, HeldRecords
from network_prune.results.study import read_study
from network_prune.study.checked import check_plan
from network_prune.study.estimate import estimate
from network_prune.study.plan import Plan
from network_prune.study.ready_network import ReadyNetwork


def show_plan(plan: Plan, out: Path) -> None:
    """Print the variants of each network, its images, and about how long they would take.

    Raises:
        NetworkPruneError: a network or its images can't be loaded.
    """
    inputs = check_plan(plan)
    total = 0.0
    found = read_study(out) if (out / FILE).exists() else None
    tell(found.notices if found else ())
    kept = HeldRecords() if found is None else HeldRecords(found, found.store)
    for network, variants in plan.variants.items():
        ready = ReadyNetwork(network, variants, plan.options, inputs)
        expected = estimate(ready, kept)
        total += expected.seconds
        dense = "1 dense and " if ready.has_dense else ""
        pruned = counted(len(ready.variants), "pruned variant")
        say(f"{network}: {expected.images} images, {dense}{pruned}")
        for variant in ready.variants:
            n = variant.recalibrate
            recalibrated = f", recalibrated on {n} images" if n else ""
            only = f" of {', '.join(variant.include)}" if variant.include else ""
            say(
                f"  {variant.method}{only}, p_prune {variant.p_prune_text}, p_bern "
                f"{variant.p_bern:g}, draw {variant.seed}/{variant.index}, score {variant.score}, "
                f"scope {variant.scope}{recalibrated}"
            )
        known = f"{expected.recorded} are recorded, " if expected.recorded else ""
        say(f"  {known}about {_duration(expected.seconds)}")
    say(f"in all about {_duration(total)}; records in {out}")


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
