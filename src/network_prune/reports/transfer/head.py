"""What stands above a transfer run's tables while it runs: its head, and a line a finished row."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from network_prune.display.terminal import head_lines
from network_prune.reports.transfer.texts import attack_text
from network_prune.transfer.figures.rates import Rate, rate_text
from network_prune.transfer.figures.sets import AttackSet
from network_prune.transfer.plan import Row, TransferPlan, ensemble_name


def transfer_head(
    plan: TransferPlan, due: Sequence[Row], images: int, clean: Mapping[str, Rate]
) -> list[str]:
    """Return what is known before the first row.

    Args:
        plan: the run.
        due: the rows that are still to be computed.
        images: number of images.
        clean: Acc@1 of each network on them.
    """
    data = plan.options["data"] or "digits"
    accuracies = [f"{name} {rate_text(rate)}" for name, rate in clean.items()]
    lines = {
        "images": f"{data}, {images}",
        **({"clean Acc@1": "; ".join(accuracies)} if clean else {}),
        **attacks(plan.rows),
        "rows": f"{len(due)} of {len(plan.rows)} to compute, {passes_text(due, images)}",
    }
    return head_lines(lines)


def attacks(rows: Sequence[Row]) -> dict[str, str]:
    """Return the settings of each goal's attack, by a title."""
    return {
        row.attack.goal.value: attack_text({**row.attack.to_dict(), "by": row.by}) for row in rows
    }


def passes_text(rows: Sequence[Row], images: int) -> str:
    """Return how many forward-backward passes some rows take."""
    each = sum(row.iterations * row.passes_per_iteration for row in rows)
    return f"{each:,} passes of each image, {each * images:,} in all"


def row_line(row: AttackSet) -> str:
    """Return a finished row in one line: success on each network, passes and time."""
    shown = [
        f"{name}{' (white-box)' if row.is_made_on(name) else ''} {rate_text(row.success(name))}"
        for name in (*row.victims, *row.surrogates)
    ]
    costs = [] if row.passes is None else [f"{row.passes} passes, {row.seconds:.3f} s/iter"]
    name = f"{row.surrogate}, {row.goal.value}, {row.augmentation}, seed {row.seeds[0]}"
    return f"{name}: {'; '.join([*shown, *costs])}"


def plan_lines(plan: TransferPlan, images: int) -> Iterator[str]:
    """Yield what a plan would compute, and what that costs."""
    yield from head_lines({"images": str(images), **attacks(plan.rows)})
    yield ""
    counts = Counter((f"{_surrogate(row)}, {row.attack.goal}", row.name) for row in plan.rows)
    first = {(f"{_surrogate(row)}, {row.attack.goal}", row.name): row for row in plan.rows[::-1]}
    for (where, name), count in counts.items():
        row = first[where, name]
        seeds = f"{count} seeds" if count > 1 else "1 seed"
        yield (
            f"{where}, {name}: {seeds} x {row.iterations} iterations x "
            f"{row.passes_per_iteration} passes"
        )
    yield f"in all {len(plan.rows)} rows, {passes_text(plan.rows, images)}"


def _surrogate(row: Row) -> str:
    return ensemble_name(row.surrogates)
