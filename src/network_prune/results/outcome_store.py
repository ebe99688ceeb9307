"""What belongs to records and is too large for them: outcomes, losses, the images' names.

Each piece is named by the SHA-256 of its bytes, which the record holds, and which is checked
whenever it is read. In a study's folder each is a line of a file, compressed, and written before
the record that names it: a killed run leaves pieces without a record at the worst, and the files
of two studies may be joined. A piece is read from the file when it is asked for.
"""

import base64
import hashlib
import json
import zlib
from functools import cached_property
from pathlib import Path
from typing import Final

from network_prune.plain_file import check_plain
from network_prune.results.lines.line_file import LineFile, bare, cannot_read, is_whole

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
            self._append(name, line.encode())
        return name

    def get(self, name: str | None) -> bytes | None:
        """Return the piece of that name, None if it isn't there or is damaged.

        Raises:
            SourceError: the file can't be read.
        """
        line = None if name is None else self._line(name)
        try:
            piece = None if line is None else from_text(json.loads(line)["data"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        is_whole = piece is not None and hashlib.sha256(piece).hexdigest() == name
        return piece if is_whole else None

    def close(self) -> None:
        """Let go of what is open."""

    def _line(self, name: str) -> bytes | None:
        return self._lines.get(name)

    def _append(self, name: str, line: bytes) -> None:
        self._lines[name] = line


class StoredOutcomes(OutcomeStore):
    """Pieces in the file of a study's folder.

    Args:
        folder: the study's folder; it may hold no such file.
        file: the file's name.
    """

    def __init__(self, folder: Path, file: str = FILE) -> None:
        super().__init__()
        self._path = folder / file

    @cached_property
    def _places(self) -> dict[str, slice]:
        """Where in the file the line of each piece is."""
        places: dict[str, slice] = {}
        start = 0
        check_plain(self._path)
        try:
            with self._path.open("rb") as file:
                for line in file:
                    end = start + len(line)
                    if line.startswith(_PREFIX) and is_whole(line):
                        places[line[_NAME].decode(errors="replace")] = slice(start, end)
                    start = end
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise cannot_read(self._path, error) from None
        return places

    def _line(self, name: str) -> bytes | None:
        place = self._places.get(name)
        if place is None:
            return super()._line(name)
        try:
            with self._path.open("rb") as file:
                file.seek(place.start)
                return bare(file.read(place.stop - place.start))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise cannot_read(self._path, error) from None


class WrittenOutcomes(StoredOutcomes):
    """Pieces in the file of a study's folder, to which one process appends.

    Args:
        folder: the study's folder, which is there.
        file: the file's name.

    Attributes:
        file: what was opened, if anything is kept; None before.

    Raises:
        RunError, SourceError: what `LineFile` raises.
    """

    def __init__(self, folder: Path, file: str = FILE) -> None:
        super().__init__(folder, file)
        self.file = LineFile(self._path) if self._path.exists() else None

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()

    def _append(self, name: str, line: bytes) -> None:
        places = self._places
        self.file = self.file or LineFile(self._path)
        start = self.file.append(line)
        places[name] = slice(start, start + len(line))


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
