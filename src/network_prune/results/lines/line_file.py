"""A file of lines that is only appended to, whole lines at a time, by one process."""

import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from network_prune.errors import RunError, SourceError
from network_prune.plain_file import check_plain

BLOCK: Final = 1 << 20


class LineFile:
    """Opens or makes the file, and drops what a killed run left half-written at its end.

    Args:
        path: the file.
        take: is given each whole line that it holds, without its end, and its place in bytes.

    Attributes:
        path: the file.
        dropped: number of bytes that were dropped.

    Raises:
        RunError: nothing can be written there.
        SourceError: it is no plain file, or can't be read.
    """

    def __init__(self, path: Path, take: Callable[[bytes, int], object] | None = None) -> None:
        self.path = path
        self._size, self._checksum, self._is_torn = 0, 0, False
        check_plain(path)
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise cannot_write(path, error) from None
        try:
            self._read(take or (lambda _line, _place: None))
            self.dropped = self._cut()
        except BaseException:
            self.close()
            raise

    def _read(self, take: Callable[[bytes, int], object]) -> None:
        try:
            with os.fdopen(os.dup(self._file), "rb", BLOCK) as file:
                for line in filter(is_whole, file):
                    take(bare(line), self._size)
                    self._note(line)
        except OSError as error:
            raise cannot_read(self.path, error) from None

    def _cut(self) -> int:
        try:
            size = os.fstat(self._file).st_size
            os.ftruncate(self._file, self._size)
        except OSError as error:
            raise cannot_write(self.path, error) from None
        return size - self._size

    def append(self, line: bytes) -> int:
        """Write one line, which has no end yet, and flush it to the disk; return its place.

        Raises:
            RunError: it can't be written, or others changed the file, which is as it was.
        """
        if change := self.change():
            raise RunError(f"{self.path} {change} during the run")
        before, line = (self._size, self._checksum), line + b"\n"
        try:
            self._note(line)
            if os.write(self._file, line) != len(line):
                raise OSError(None, "no space left")
            os.fsync(self._file)
        except BaseException as error:
            self._size, self._checksum = before
            self._cut_off()
            if isinstance(error, OSError):
                raise cannot_write(self.path, error) from None
            raise
        return before[0]

    def _cut_off(self) -> None:
        """Cut off a line that wasn't written whole; where that fails, the next run does."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            self._is_torn = True

    def change(self, *, within: bool = False) -> str | None:
        """Return what others did to the file since it was opened, for people; None for nothing.

        Args:
            within: read it all, to find changes that leave its size.
        """
        try:
            there, ours = os.stat(self.path), os.fstat(self._file)
        except OSError:
            return "was deleted"
        size = ours.st_size
        if not os.path.samestat(there, ours):
            return "was replaced by another file"
        if self._is_torn:
            return None
        if size != self._size:
            what = "was cut by" if size < self._size else "has got another"
            return f"{what} {abs(size - self._size)} bytes from elsewhere"
        is_changed = within and _checksum(self.blocks()) != self._checksum
        return "was changed by others" if is_changed else None

    def blocks(self) -> Iterator[bytes]:
        """Yield what the opened file holds, even if it was deleted."""
        os.lseek(self._file, 0, os.SEEK_SET)
        while block := os.read(self._file, BLOCK):
            yield block

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _note(self, line: bytes) -> None:
        self._size += len(line)
        self._checksum = zlib.crc32(line, self._checksum)


def is_whole(line: bytes) -> bool:
    """Return whether a line has its end, as only a file's last one may not."""
    return line.endswith(b"\n")


def bare(line: bytes) -> bytes:
    """Return a line without its end."""
    return line.rstrip(b"\r\n")


def read_bytes(path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        SourceError: it is no plain file, or can't be read.
    """
    check_plain(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise cannot_read(path, error) from None


def cannot_read(path: Path, error: OSError) -> SourceError:
    """Return the error for a file that is there and can't be read."""
    return SourceError(f"cannot read {path}: {error.strerror or error}")


def cannot_write(path: Path, error: OSError) -> RunError:
    """Return the error for a study's file or folder."""
    return RunError(
        f"cannot write {path}: {error.strerror or error}; free or allow it, or pass another "
        "folder with --out"
    )


def _checksum(blocks: Iterable[bytes]) -> int:
    found = 0
    for block in blocks:
        found = zlib.crc32(block, found)
    return found
