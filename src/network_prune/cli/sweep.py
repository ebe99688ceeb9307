"""``network-prune sweep``: many variants, each image read once, resumable."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer

from network_prune.cli import options
from network_prune.cli.numbers import read_numbers
from network_prune.errors import ArgumentError
from network_prune.study.plan import ALL_KEYS, GRID_KEYS, make_plan

STUDY = "Study"
PlanFile = Annotated[
    Path | None,
    typer.Argument(
        help="A plan in YAML: the options below as keys, with underscores, and grids, a list of "
        "such keys. Options given here as well take precedence.",
        show_default=False,
    ),
]
Out = Annotated[
    Path,
    typer.Option(help="Folder for the records; one that is there goes on.", rich_help_panel=STUDY),
]
Preset = Annotated[
    str | None,
    typer.Option(
        help="A plan that comes along: published, the two tables of the README.",
        rich_help_panel=STUDY,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Show the variants, the images and about how long it would take.",
        rich_help_panel=STUDY,
    ),
]


# Lists that one option takes as text.
_TEXTS = ("mean", "std")
_HELP = {"draws": "Evaluate this many draws of each prunable set."}


def _takes_plan_keys(command: Callable[..., None]) -> Callable[..., None]:
    """Give ``command`` an option for each key of a plan, None unless it is given."""
    parameters = list(inspect.signature(command).parameters.values())
    keys = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(name)
        )
        for name in ALL_KEYS
    ]

    @wraps(command)
    def call(**values: Any) -> None:
        given = {name: values.pop(name) for name in ALL_KEYS}
        command(given, **values)

    order = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters[1:]]
    order = [order[0], *keys, *order[1:]]
    vars(call)["__signature__"] = inspect.Signature(order)
    call.__annotations__ = {each.name: each.annotation for each in order}
    return call


def _option(name: str) -> Any:
    """Return the option for a plan's key: None unless it is given, and repeated for lists."""
    key = ALL_KEYS[name]
    declared = options.option("archs" if name == "arch" else name)
    (info,) = declared.__metadata__
    kind = _without_none(declared.__origin__)
    text, flags = str(_HELP.get(name, info.help)), ()
    if kind is bool:
        flag = name.replace("_", "-")
        flags = (f"--{flag}/--no-{flag}",)
    elif key.many and name not in _TEXTS and get_origin(kind) is not list:
        kind, text = list[kind], f"{text.rstrip('.')}; may be repeated."
    default = ", ".join(map(str, key.default)) if isinstance(key.default, tuple) else key.default
    shown = False if default in (None, "", False, True) else str(default)
    panel = info.rich_help_panel
    option = typer.Option(*flags, help=text, rich_help_panel=panel, show_default=shown)
    return Annotated[kind | None, option]


def _without_none(kind: Any) -> Any:
    return next((part for part in get_args(kind) if part is not type(None)), kind)


@_takes_plan_keys
def sweep_command(
    given: dict[str, Any],
    plan: PlanFile = None,
    out: Out = Path("study"),
    preset: Preset = None,
    dry_run: DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Evaluate a grid of variants; each image is read once for all of a network's.

    Every combination of the repeated options is a variant. Each finished one
    is a line of records.jsonl in the folder --out; the same command goes on
    after an interruption, and a larger grid adds to the same folder.
    network-prune records shows them.

    Example: network-prune sweep --method weights --p-prune 0.2 --p-prune 0.4
    --p-bern 0.5 --draws 3 --out study
    """
    if plan is not None and preset is not None:
        raise ArgumentError(f"--preset {preset} and the plan {plan} exclude each other; pass one")
    values = _read(plan, preset)
    made = make_plan(_overrule(values, given))

    from network_prune.cli.sweep_run import run_sweep, show_plan

    if dry_run:
        show_plan(made, out)
    else:
        run_sweep(made, out, as_json=as_json)


def _read(plan: Path | None, preset: str | None) -> dict[str, Any]:
    from network_prune.study.plan_file import read_plan_file, read_preset

    if preset is not None:
        return read_preset(preset)
    return {} if plan is None else read_plan_file(plan)


def _overrule(values: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return a plan's values with those options that were given, in its grids as well."""
    said = {
        **given,
        **{name: read_numbers(name, given[name]) for name in _TEXTS},
    }
    said = {name: value for name, value in said.items() if value not in (None, [])}
    for_grids = {name: value for name, value in said.items() if name in GRID_KEYS}
    grids = [{**grid, **for_grids} for grid in values.get("grids", [])]
    return {**values, **said, **({"grids": grids} if grids else {})}
