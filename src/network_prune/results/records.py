"""The records of a study: one JSON line for each finished variant, appended to a file.

Everything that is shown of a study is derived from records alone. The file is made of whole
lines: what a killed run left half-written is dropped when the file is opened again. Records
of schema 1, which earlier versions wrote, are read as what they would be in schema 2.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

import filelock

from network_prune.errors import RunError, SourceError
from network_prune.options import DECIDING, OPTIONS

SCHEMA: Final = 2
FILE: Final = "records.jsonl"
# What records say of the data that earlier ones didn't.
_LATER_OPTIONS: Final = {
    name: OPTIONS[name].default for name in ("class_order", "only_data_classes", "exif")
}
_LOCK: Final = "records.lock"

Record = dict[str, Any]


def read_records(folder: Path) -> tuple[list[Record], int]:
    """Return the records in a study's folder, and how many bytes a half-written last line has.

    Raises:
        SourceError: there are none, or a line isn't a record of this schema.
    """
    path = folder / FILE
    if not path.is_file():
        raise SourceError(f"{folder} holds no {FILE}; pass the folder that sweep wrote with --out")
    content = _read(path)
    whole = _whole_lines(content)
    return list(_parse(path, whole)), len(content) - len(whole)


class HeldRecords:
    """Records in memory alone, of a study that keeps no folder.

    Attributes:
        folder: None.
        records: what was appended, by key.
    """

    def __init__(self) -> None:
        self.folder = None
        self.records: dict[str, Record] = {}

    def append(self, record: Record) -> None:
        """Hold one record, as plain data."""
        self.records[record["key"]] = json.loads(json.dumps(record, allow_nan=False))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class RecordFile:
    """A study's file, opened for appending by one process at a time; leaving it closes it.

    Args:
        folder: the study's folder, made if it isn't there.

    Attributes:
        folder: the study's folder.
        path: the file.
        records: what the file holds, by key; of several lines with a key the last.
        dropped: number of bytes of a half-written last line that was dropped on opening.

    Raises:
        RunError: another process writes there, or nothing can be written.
        SourceError: a line isn't a record of this schema.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = filelock.FileLock(folder / _LOCK)
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise RunError(
                f"another run writes to {folder}; wait for it, or pass another folder with --out"
            ) from None
        except FileExistsError:
            raise RunError(
                f"cannot write {folder}: it is a file; pass a folder with --out"
            ) from None
        except OSError as error:
            raise _cannot_write(folder, error) from None
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise

    def append(self, record: Record) -> None:
        """Write one record, whole, and flush it to the disk; then `records` has it as written.

        Raises:
            RunError: it can't be written; the file is as it was.
        """
        line = json.dumps(record, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        try:
            if os.write(self._file, line) != len(line):
                raise OSError(None, "no space left")
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise _cannot_write(self.path, error) from None
        self._size += len(line)
        self.records[record["key"]] = json.loads(line)

    def close(self) -> None:
        """Close the file and let others write to it."""
        os.close(self._file)
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> None:
        content = _read(self.path) if self.path.exists() else b""
        whole = _whole_lines(content)
        self.records: dict[str, Record] = {
            record["key"]: record for record in _parse(self.path, whole)
        }
        self.dropped = len(content) - len(whole)
        self._size = len(whole)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
            self._file = os.open(self.path, flags, 0o666)
            os.ftruncate(self._file, self._size)
        except OSError as error:
            raise _cannot_write(self.path, error) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from None


def _whole_lines(content: bytes) -> bytes:
    return content[: content.rfind(b"\n") + 1]


def _parse(path: Path, lines: bytes) -> Iterator[Record]:
    for number, line in enumerate(lines.splitlines(), start=1):
        try:
            record = json.loads(line)
            schema = record["schema"]
            record = _modern(record) if schema == 1 else record
            if record["schema"] == SCHEMA:
                record["asked"]["data"] = {**_LATER_OPTIONS, **record["asked"]["data"]}
                _check(record)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise SourceError(
                f"{path} line {number} is no record; remove the line, and its variant is "
                "evaluated again"
            ) from None
        if record["schema"] != SCHEMA:
            raise SourceError(
                f"{path} line {number} has schema {schema!r}, this version reads 1 and {SCHEMA}; "
                "use the version of network-prune that wrote it, or another folder"
            )
        yield record


def _modern(record: Record) -> Record:
    """Return a record of schema 1 in the shape of schema 2."""
    names = ("score", "score_data", "prunable_sha256", "draw_sha256", "difference")
    others = {name: record.get(name) for name in names}
    others["realised"] = record.get("pruning")
    asked = {**record["asked"], "running": record["running"]}
    kept = {name: value for name, value in record.items() if name not in ("running", "pruning")}
    return {**kept, "schema": SCHEMA, "asked": asked, **others}


def _check(record: Record) -> None:
    """Raise a KeyError or TypeError if a record lacks what is looked up in every one."""
    needed = {
        "network": ("name", "weights", "weights_sha256"),
        "preprocessing": ("resize", "crop", "interpolation", "mean", "std"),
        "data": ("name", "identity"),
        "asked": ("weights", "data", "running"),
        "versions": ("torch",),
        "metrics": ("n", "hits1", "hits5", "loss_sum", "loss", "acc1", "acc5"),
    }
    if record["variant"] is not None:
        needed["variant"] = ("method", "p_prune", "p_bern", "score", "scope", "seed", "index")
        needed["realised"] = ("pruning_ratio", "zeroed_ratio")
    if record["difference"] is not None:
        needed["difference"] = ("acc1_difference", "acc1_interval", "loss_sum")
    for name, keys in needed.items():
        for key in keys:
            record[name][key]
    for name in DECIDING:
        record["asked"]["running"][name]
    record["score_data"]  # null for most, but there
    if not isinstance(record["key"], str):
        raise TypeError


def _cannot_write(path: Path, error: OSError) -> RunError:
    return RunError(
        f"cannot write {path}: {error.strerror or error}; free or allow it, or pass another "
        "folder with --out"
    )
