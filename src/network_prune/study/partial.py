"""What a pass has summed up so far, on disk, so that a killed run goes on where it was."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from network_prune.errors import RunError
from network_prune.study.metrics import Metrics
from network_prune.study.paired import Paired
from network_prune.study.passes import Sums


class Partial:
    """The state of one network's pass in a study's folder.

    Args:
        folder: the study's folder.
        key: hash of everything that decides what the pass computes, and in which order.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._path = folder / f"partial-{key[:16]}.json"
        self._key = key

    def read(self, variants: int) -> tuple[int, list[Sums]]:
        """Return the number of images that are done and each variant's sums; 0 if none are."""
        try:
            state = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return 0, [Sums() for _ in range(variants)]
        assert state["key"] == self._key, "the name holds the key"
        return state["images"], [_sums(entry) for entry in state["sums"]]

    def write(self, images: int, sums: Sequence[Sums]) -> None:
        """Replace the state, whole or not at all.

        Raises:
            RunError: it can't be written.
        """
        state = {"key": self._key, "images": images, "sums": [asdict(entry) for entry in sums]}
        draft = self._path.with_suffix(".draft")
        try:
            draft.write_text(json.dumps(state), encoding="utf-8")
            os.replace(draft, self._path)
        except OSError as error:
            raise RunError(
                f"cannot write {self._path}: {error.strerror or error}; free or allow it, or pass "
                "another folder with --out"
            ) from None

    def remove(self) -> None:
        """Forget the state: all its variants are recorded."""
        self._path.unlink(missing_ok=True)


def _sums(entry: dict[str, Any]) -> Sums:
    return Sums(Metrics(**entry["metrics"]), Paired(**entry["paired"]))
