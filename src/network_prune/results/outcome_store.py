"""What belongs to records and is too large for them: outcomes, losses, the images' names.

Each piece is named by the SHA-256 of its bytes, which the record holds. In a study's folder
each is a line of a file, compressed, and written before the record that names it: a killed run
leaves pieces without a record at the worst, and the files of two studies may be joined.
"""

import base64
import hashlib
import json
import zlib
from pathlib import Path
from typing import Final

from network_prune.results.line_file import LineFile, read_bytes, whole_lines

FILE: Final = "outcomes.jsonl"
_PREFIX: Final = b'{"sha256":"'
_NAME: Final = slice(len(_PREFIX), len(_PREFIX) + 64)


class OutcomeStore:
    """Pieces in memory, of a study that keeps no folder."""

    def __init__(self) -> None:
        self._lines: dict[str, bytes] = {}

    def put(self, piece: bytes) -> str:
        """Keep a piece; return its name.

        Raises:
            RunError: it can't be written.
        """
        name = hashlib.sha256(piece).hexdigest()
        if self.get(name) is None:
            line = json.dumps({"sha256": name, "data": to_text(piece)}, separators=(",", ":"))
            self._append(line.encode() + b"\n")
        return name

    def get(self, name: str | None) -> bytes | None:
        """Return the piece of that name, None if it isn't there or is damaged."""
        line = self._lines.get(name or "")
        try:
            piece = None if line is None else from_text(json.loads(line)["data"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        is_whole = piece is not None and hashlib.sha256(piece).hexdigest() == name
        return piece if is_whole else None

    def close(self) -> None:
        """Let go of what is open."""

    def _append(self, lines: bytes) -> None:
        for line in whole_lines(lines).splitlines():
            if line.startswith(_PREFIX):
                self._lines[line[_NAME].decode(errors="replace")] = line


class StoredOutcomes(OutcomeStore):
    """Pieces in the file of a study's folder.

    Args:
        folder: the study's folder; it may hold no such file.

    Raises:
        SourceError: the file can't be read.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._path = folder / FILE
        super()._append(read_bytes(self._path) if self._path.exists() else b"")


class WrittenOutcomes(StoredOutcomes):
    """Pieces in the file of a study's folder, to which one process appends.

    Args:
        folder: the study's folder, which is there.

    Raises:
        SourceError: the file can't be read.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._open: LineFile | None = None

    def close(self) -> None:
        """Close the file."""
        if self._open is not None:
            self._open.close()

    def _append(self, lines: bytes) -> None:
        self._open = self._open or LineFile(self._path)
        self._open.append(lines)
        super()._append(lines)


def to_text(piece: bytes) -> str:
    """Return a piece as text, compressed."""
    return base64.b64encode(zlib.compress(piece, 9)).decode()


def from_text(text: str) -> bytes:
    """Return the piece that `to_text` gave as text.

    Raises:
        ValueError: it is damaged.
    """
    try:
        return zlib.decompress(base64.b64decode(text, validate=True))
    except zlib.error as error:
        raise ValueError(str(error)) from None
