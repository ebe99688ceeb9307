"""A file of lines that is only appended to, whole lines at a time, by one process."""

import os
from pathlib import Path

from network_prune.errors import RunError, SourceError
from network_prune.plain_file import check_plain


class LineFile:
    """Opens or makes the file, and drops what a killed run left half-written at its end.

    Attributes:
        path: the file.
        content: the whole lines that it held when it was opened.
        dropped: number of bytes that were dropped.

    Raises:
        RunError: nothing can be written there.
        SourceError: the file can't be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        content = read_bytes(path) if path.exists() else b""
        self.content = whole_lines(content)
        self.dropped = len(content) - len(self.content)
        self._size = len(self.content)
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            os.ftruncate(self._file, self._size)
        except OSError as error:
            raise cannot_write(path, error) from None

    def append(self, line: bytes) -> None:
        """Write one line, whole, and flush it to the disk.

        Raises:
            RunError: it can't be written; the file is as it was.
        """
        try:
            if os.write(self._file, line) != len(line):
                raise OSError(None, "no space left")
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise cannot_write(self.path, error) from None
        self._size += len(line)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read_bytes(path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        SourceError: it is no plain file, or can't be read.
    """
    check_plain(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from None


def whole_lines(content: bytes) -> bytes:
    """Return ``content`` up to its last line's end."""
    return content[: content.rfind(b"\n") + 1]


def cannot_write(path: Path, error: OSError) -> RunError:
    """Return the error for a study's file or folder."""
    return RunError(
        f"cannot write {path}: {error.strerror or error}; free or allow it, or pass another "
        "folder with --out"
    )
