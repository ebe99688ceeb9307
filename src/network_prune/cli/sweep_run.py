"""Run ``network-prune sweep`` and show what comes of it."""

import json
import sys
from pathlib import Path

from network_prune.cli.result import printer
from network_prune.errors import RunError
from network_prune.study.estimate import estimate
from network_prune.study.plan import Plan
from network_prune.study.records import Record
from network_prune.study.sweep import Failed, sweep
from network_prune.study.tables import HEAD, markdown_row


def run_sweep(plan: Plan, out: Path, *, as_json: bool) -> None:
    """Evaluate what isn't recorded yet and print each row as it is finished.

    Raises:
        NetworkPruneError: the study can't be run, or networks failed.
    """
    say = printer(as_json)
    count = sum(1 + len(variants) for variants in plan.variants.values())
    say(f"{count} variants with the dense networks; records in {out}\n\n{HEAD}")
    failed: list[str] = []

    def told(event: Record | Failed) -> None:
        if isinstance(event, Failed):
            failed.append(str(event.network))
            print(f"{event.network}: {event.error}", file=sys.stderr)
        else:
            say(markdown_row(event))

    try:
        records = sweep(plan, out=out, told=told)
    except KeyboardInterrupt:
        print(f"what is finished is in {out}; the same command goes on from there", file=sys.stderr)
        raise
    say(
        f"\n{len(records)} of {count} variants are recorded; network-prune records {out} shows them"
    )
    if as_json:
        print(json.dumps(records, indent=2))
    if failed:
        raise RunError(
            f"{len(failed)} of {len(plan.variants)} networks failed: {', '.join(failed)}"
        )


def show_plan(plan: Plan, out: Path) -> None:
    """Print the variants of each network, its images, and about how long they would take.

    Raises:
        NetworkPruneError: a network or its images can't be loaded.
    """
    total = 0.0
    for network, variants in plan.variants.items():
        expected = estimate(network, plan.options)
        seconds = expected.seconds(1 + len(variants))
        total += seconds
        print(f"{network}: {expected.images} images, 1 dense and {len(variants)} pruned variants")
        for settings in variants:
            print(
                f"  {settings.method}, p_prune {settings.p_prune:g}, p_bern {settings.p_bern:g}, "
                f"draw {settings.seed}/{settings.index}, score {settings.score}, "
                f"scope {settings.scope}"
            )
        print(f"  about {_duration(seconds)}")
    print(f"in all about {_duration(total)}, what is recorded in {out} already not taken off")


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
