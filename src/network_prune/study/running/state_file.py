"""A file with the state of what is under way, so that a killed run goes on where it was."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from network_prune.results.lines.checksum import DamageError, checked, parse, signed
from network_prune.results.lines.line_file import cannot_write
from network_prune.results.lines.notices import Damaged, Told

SECONDS_BETWEEN: Final = 10.0

T = TypeVar("T")


class StateFile:
    """A file in a run's folder, with a checksum, replaced whole or not at all.

    Args:
        folder: the run's folder; without one, nothing is kept.
        key: hash of everything that decides what is under way.
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self._path = None if folder is None else folder / f"partial-{key[:16]}.json"
        self._key = key
        self._written = time.monotonic()

    @property
    def is_kept(self) -> bool:
        """Whether there is a folder."""
        return self._path is not None

    @property
    def is_old(self) -> bool:
        """Whether the last time of writing was seconds ago."""
        return time.monotonic() - self._written >= SECONDS_BETWEEN

    def read(self, make: Callable[[dict[str, Any]], T], told: Told) -> T | None:
        """Return what was written last; None if nothing was, or it is damaged, which is told.

        Args:
            make: turns plain data into what is returned; any usual error means damage.
            told: is given what to know of a damaged file.
        """
        if self._path is None or not self._path.is_file():
            return None
        try:
            return make(self._read(self._path))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            why = str(error) if isinstance(error, DamageError) else "it is no state of a run"
            told(Damaged(self._path, None, why, "what it had of the run is computed"))
            return None

    def write(self, values: dict[str, Any]) -> None:
        """Replace what is there.

        Raises:
            RunError: it can't be written.
        """
        if self._path is None:
            return
        self._written = time.monotonic()
        draft = self._path.with_suffix(".draft")
        try:
            draft.write_bytes(signed({"key": self._key, **values}))
            os.replace(draft, self._path)
        except OSError as error:
            raise cannot_write(self._path, error) from None

    def remove(self) -> None:
        """Forget it."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _read(self, path: Path) -> dict[str, Any]:
        content = checked(path.read_bytes())
        if content is None:
            raise DamageError("it has no checksum")
        values = parse(content)
        if values.pop("key") != self._key:
            raise DamageError("it is another run's")
        return values
