"""Where a command's result goes: text or JSON on stdout, and JSON to a file."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from network_prune.errors import RunError


def check_writable(*paths: Path | None) -> None:
    """Find out before a long run that its result could not be written.

    Raises:
        RunError: a file can't be made there.
    """
    for path in paths:
        if path is None:
            continue
        folder = path.parent
        if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            raise RunError(f"cannot write {path}: pass a file in a folder that exists and is yours")


def printer(as_json: bool) -> Callable[[str], None]:
    """Return what prints a line of text, and nothing where JSON is wanted."""

    def say(text: str) -> None:
        if not as_json:
            print(text, flush=True)

    return say


def hand_over(record: dict[str, Any], *, as_json: bool, path: Path | None) -> None:
    """Print ``record`` as JSON if asked, and write it to ``path`` if there is one.

    Raises:
        RunError: ``path`` can't be written.
    """
    text = json.dumps(record, indent=2)
    if as_json:
        print(text)
    if path is None:
        return
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None
