"""Run ``network-prune sweep`` and show what comes of it."""

import json
import shlex
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console

from network_prune.cli.live import LiveTable
from network_prune.cli.result import printer
from network_prune.errors import RunError
from network_prune.reports.tables import HEAD, record_row, warning_lines
from network_prune.study.estimate import estimate
from network_prune.study.events import Dropped, Event, Failed, Recorded, Told
from network_prune.study.plan import Network, Plan
from network_prune.study.records import FILE, read_records
from network_prune.study.sweep import check_plan, sweep


def run_sweep(plan: Plan, out: Path, *, as_json: bool) -> None:
    """Evaluate what isn't recorded yet and print each row as it is finished.

    Raises:
        NetworkPruneError: the study can't be run, or networks failed.
    """
    say = printer(as_json)
    count = sum(_counts(plan).values())
    head = f"{count} variants with the dense networks; records in {out}\n\n{HEAD}"
    failed: list[Failed] = []
    try:
        with _telling(plan, head, say, failed, as_json=as_json) as told:
            records = sweep(plan, out=out, told=told, progress=False)
    except KeyboardInterrupt:
        print(f"what is finished is in {out}; the same command goes on from there", file=sys.stderr)
        raise
    shown = f"; network-prune records {shlex.quote(str(out))} shows them" if records else ""
    recorded = f"{len(records)} of {count} variants are recorded{shown}"
    say("\n".join(["", recorded, *warning_lines(records)]))
    if as_json:
        print(json.dumps(records, indent=2))
    if failed:
        names = ", ".join(str(failure.network) for failure in failed)
        raise RunError(f"{len(failed)} of {len(plan.variants)} networks failed: {names}")


@contextmanager
def _telling(
    plan: Plan, head: str, say: Callable[[str], None], failed: list[Failed], *, as_json: bool
) -> Generator[Told]:
    """Show events: rows as they are finished, and on a terminal a table of those that aren't."""
    if not sys.stderr.isatty():
        yield _printing(head, say, partial(print, file=sys.stderr), failed)
        return
    with LiveTable(_counts(plan), Console(stderr=True)) as table:
        # Where both go to the same terminal, rows have to pass above the table.
        row = table.print if sys.stdout.isatty() and not as_json else say
        tell = _printing(head, row, table.print, failed)

        def told(event: Event) -> None:
            table.take(event)
            tell(event)

        yield told


def _printing(
    head: str, say: Callable[[str], None], warn: Callable[[str], None], failed: list[Failed]
) -> Told:
    """Return what prints events, below ``head`` as soon as the study has begun."""
    heads = [head]

    def told(event: Event) -> None:
        if heads:
            say(heads.pop())
        if isinstance(event, Failed):
            failed.append(event)
        if isinstance(event, Failed | Dropped):
            warn(str(event))
        elif isinstance(event, Recorded):
            say(record_row(event.record))

    return told


def _counts(plan: Plan) -> dict[Network, int]:
    return {network: 1 + len(variants) for network, variants in plan.variants.items()}


def show_plan(plan: Plan, out: Path) -> None:
    """Print the variants of each network, its images, and about how long they would take.

    Raises:
        NetworkPruneError: a network or its images can't be loaded.
    """
    check_plan(plan)
    total = 0.0
    records = read_records(out)[0] if (out / FILE).exists() else []
    keys = {record["key"] for record in records}
    for network, variants in plan.variants.items():
        expected = estimate(network, variants, plan.options, records=keys)
        total += expected.seconds
        print(f"{network}: {expected.images} images, 1 dense and {len(variants)} pruned variants")
        for settings in variants:
            print(
                f"  {settings.method}, p_prune {settings.p_prune:g}, p_bern {settings.p_bern:g}, "
                f"draw {settings.seed}/{settings.index}, score {settings.score}, "
                f"scope {settings.scope}"
            )
        known = f"{expected.recorded} are recorded, " if expected.recorded else ""
        print(f"  {known}about {_duration(expected.seconds)}")
    print(f"in all about {_duration(total)}; records in {out}")


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
