"""The plan that a command may be given as a file or by name, and what its options overrule."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from network_prune.cli.completion import completes
from network_prune.errors import ArgumentError
from network_prune.study.plan import Plan, make_plan, overruled
from network_prune.study.plan_file import PRESETS, read_plan_file, read_preset

STUDY = "Study"

PlanFile = Annotated[
    Path | None,
    typer.Argument(
        help="A plan in YAML: the options below as keys, with underscores, and grids, a list of "
        "such keys. Options given here as well take precedence.",
        show_default=False,
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        help="A plan that comes along: published, the grid of the published figures.",
        rich_help_panel=STUDY,
        autocompletion=completes(PRESETS),
    ),
]


def plan_of(plan: Path | None, preset: str | None, values: Mapping[str, Any]) -> Plan:
    """Return the plan that a file, a preset or neither says, with ``values`` instead of its own.

    Raises:
        ArgumentError: both are named, or a value isn't allowed.
        SourceError: the file can't be read.
    """
    if plan is not None and preset is not None:
        raise ArgumentError(f"--preset {preset} and the plan {plan} exclude each other; pass one")
    said: Mapping[str, Any] = {}
    if preset is not None:
        said = read_preset(preset)
    elif plan is not None:
        said = read_plan_file(plan)
    return make_plan(overruled(said, values))
