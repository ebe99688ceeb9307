"""A file with the state of what is under way, so that a killed run goes on where it was."""

import os
import time
from pathlib import Path
from typing import Final

from network_prune.results.line_file import cannot_write

SECONDS_BETWEEN: Final = 10.0


class StateFile:
    """A file in a run's folder, replaced whole or not at all.

    Args:
        folder: the run's folder; without one, nothing is kept.
        key: hash of everything that decides what is under way.
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self._path = None if folder is None else folder / f"partial-{key[:16]}.json"
        self._written = time.monotonic()

    @property
    def is_kept(self) -> bool:
        """Whether there is a folder."""
        return self._path is not None

    @property
    def is_old(self) -> bool:
        """Whether the last time of writing was seconds ago."""
        return time.monotonic() - self._written >= SECONDS_BETWEEN

    def read(self) -> bytes:
        """Return what was written last, nothing where that can't be read."""
        try:
            return b"" if self._path is None else self._path.read_bytes()
        except OSError:
            return b""

    def write(self, content: bytes) -> None:
        """Replace what is there.

        Raises:
            RunError: it can't be written.
        """
        if self._path is None:
            return
        self._written = time.monotonic()
        draft = self._path.with_suffix(".draft")
        try:
            draft.write_bytes(content)
            os.replace(draft, self._path)
        except OSError as error:
            raise cannot_write(self._path, error) from None

    def remove(self) -> None:
        """Forget it."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
