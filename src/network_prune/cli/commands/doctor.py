"""``network-prune doctor``: what is installed and missing, and whether it works."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from network_prune.cli.output import Json, Output, check_writable, hand_over, say, waiting
from network_prune.cli.takes import takes
from network_prune.display.terminal import head_lines, shown_width, wrapped
from network_prune.errors import RunError

if TYPE_CHECKING:
    from network_prune.cli.checkup.checkup import Checkup

NoSpeed = Annotated[
    bool,
    typer.Option("--no-speed", help="Don't measure the device's speed, which takes some seconds."),
]


@takes(["device", "cache_dir"])
def doctor_command(
    values: dict[str, Any], no_speed: NoSpeed = False, as_json: Json = False, output: Output = None
) -> None:
    """Say what is installed, what is missing, and whether it works.

    It looks at packages and extras, at the folders of downloads, at the
    devices and how fast one of them is, and prunes and restores an embedded
    network. Nothing is downloaded or changed. It ends with 1 if something
    that is needed can't work.

    For a report of a bug: network-prune doctor --no-speed --json

    Example: network-prune doctor --device cpu
    """
    check_writable(output)
    with waiting("looking around, which takes some seconds"):
        from network_prune.cli.checkup.checkup import check_up

        folder = values.get("cache_dir")
        found = check_up(
            cache_dir=None if folder is None else Path(folder),
            device=values.get("device", "auto"),
            measures=not no_speed,
        )
    hand_over(found.to_dict(), as_json=as_json, path=output)
    if not as_json:
        _show(found)
    if found.problems:
        raise RunError(f"{len(found.problems)} of what is needed can't work, as said above")


def _show(found: "Checkup") -> None:
    width = shown_width(sys.stdout)
    say(*head_lines(found.facts(), width=width))
    folders = [f"{folder.what}: {' '.join(folder.lines())}" for folder in found.folders]
    if folders:
        say("", *wrapped(folders, width))
    missing = list(found.missing_lines())
    if missing:
        say("", "extras that aren't whole, and what installs each:", *missing)
    notes = [f"note: {note}" for note in found.notes()]
    problems = [f"problem: {problem}" for problem in found.problems]
    say("", *wrapped([*notes, *problems] or ["all that is needed works"], width))
