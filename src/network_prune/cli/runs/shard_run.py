"""Run one shard of a sweep, or a sweep on a cluster, and show the study once it is whole."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path

from network_prune.cli.forms import show
from network_prune.cli.output import hand_over, mention, say
from network_prune.cli.runs.missing import shard_lines
from network_prune.cli.runs.study_run import check_none_failed
from network_prune.display.table import Part
from network_prune.display.terminal import head_lines, shown_width
from network_prune.evaluation.device import choose_device
from network_prune.evaluation.memory import kept_memory
from network_prune.reports.head_and_foot import (
    Parts,
    below_rows,
    network_head,
    plan_head,
    tables_alone,
)
from network_prune.reports.tables import (
    record_cells,
    record_table,
)
from network_prune.results.lines.notices import Damaged, Dropped
from network_prune.results.naming import network_of
from network_prune.results.study import Study
from network_prune.study.events import Event, Failed, Started, Told, Waiting
from network_prune.study.plan import Plan
from network_prune.study.sharding.shard import Shard
from network_prune.study.sharding.sweep_shard import sweep_shard


def run_shard(
    plan: Plan, shard: Shard, *, out: Path, form: str | None, path: Path | None, command: str
) -> None:
    """Evaluate a shard of a plan; the first of its group shows what there is.

    Args:
        plan: the whole study.
        shard: which share of it.
        out: folder of the study.
        form: print the records so and no text, one of `cli.forms.FORMS`; None for text.
        path: file to write the JSON to as well.
        command: that each shard runs, for people.

    Raises:
        NetworkPruneError: the study can't be run, or networks failed.
    """
    is_first = shard.is_first_of_group
    device = choose_device(plan.options["device"])

    def run(told: Told) -> Study:
        progress = None if is_first else False
        with kept_memory(device):
            return sweep_shard(
                plan, out=out, shard=shard, told=told, command=command, progress=progress
            )

    run_shared(
        plan,
        run,
        head={**plan_head(plan, str(device)), "shard": f"{shard}, in {out}"},
        who=f"shard {shard}: ",
        goes_on=f"the same command with --shard {shard} goes on",
        out=out,
        is_shown=is_first,
        form=form,
        path=path,
    )


def run_shared(
    plan: Plan,
    run: Callable[[Told], Study],
    *,
    head: Mapping[str, str],
    who: str,
    goes_on: str,
    out: Path,
    is_shown: bool,
    form: str | None,
    path: Path | None,
    table: Parts | None = None,
) -> Study:
    """Run what several processes share, and show what there is of it at the end, and return that.

    Args:
        plan: the whole study.
        run: evaluates; returns the study as far as it is recorded.
        head: what is shown at the start.
        who: what stands before errors and notices.
        goes_on: what to do after Ctrl-C.
        out: folder of the study.
        is_shown: whether this is the process that shows it.
        form: print the records so and no text, one of `cli.forms.FORMS`; None for text.
        path: file to write the JSON to as well.
        table: shows one network's records, instead of a row for each.

    Raises:
        NetworkPruneError: the study can't be run, or networks failed.
    """
    shown = _Shown(who, is_quiet=form is not None or not is_shown)
    shown.say(*head_lines(head, width=shown_width(sys.stdout)), "")
    try:
        with redirect_stdout(sys.stderr):
            study = run(shown.tell)
    except KeyboardInterrupt:
        say(f"what is finished is in {out}; {goes_on}", to=sys.stderr)
        raise
    if is_shown:
        hand_over(list(study), as_json=form == "json", path=None)
        hand_over(study.whole(), as_json=False, path=path)
    missing = shard_lines(out)
    if study and is_shown and form not in (None, "json"):
        show([*tables_alone(study, plan, table), *missing], form)
    parts = _parts(study, plan, table) if study else []
    shown.show([*parts, *[""] * bool(parts and missing), *missing])
    check_none_failed(shown.failed, plan)
    return study


class _Shown:
    """What of a shared study is shown to people.

    Args:
        who: what stands before errors and notices.
        is_quiet: print nothing else.

    Attributes:
        failed: the networks that failed.
    """

    def __init__(self, who: str, *, is_quiet: bool) -> None:
        self.failed: list[Failed] = []
        self._who = who
        self._is_quiet = is_quiet
        self._to = sys.stdout

    def say(self, *lines: str) -> None:
        """Print lines, unless another process is the one to do so."""
        if not self._is_quiet:
            say(*lines, to=self._to)

    def show(self, parts: Sequence[Part]) -> None:
        """Print lines and tables, unless another process is the one to do so."""
        if not self._is_quiet:
            show(parts, to=self._to)

    def _mention(self, line: str) -> None:
        if not self._is_quiet:
            mention(line, to=self._to)

    def tell(self, event: Event) -> None:
        """Show what happens."""
        match event:
            case Started():
                what = f"{len(event.due)} variants on {event.images} images"
                self._mention(f"{event.network}: {what}")
            case Waiting():
                self._mention(str(event))
            case Failed():
                self.failed.append(event)
                say(f"{self._who}{event}", to=sys.stderr)
            case Damaged() | Dropped():
                say(f"{self._who}{event}", to=sys.stderr)
            case _:
                pass


def _parts(study: Study, plan: Plan, table: Parts | None) -> list[Part]:
    """Return the study as a table, or one for each network, with what is below it for each."""
    rows = [] if table else ["", record_table(list(map(record_cells, study)))]
    heads = {network_of(record): network_head(record) for record in study}
    return [*rows, *below_rows(study, plan, heads, table, width=shown_width(sys.stdout))]
