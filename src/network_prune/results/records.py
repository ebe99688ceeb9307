"""The records of a study: one JSON line for each finished variant, appended to a file.

Everything that is shown of a study is derived from records alone. The file is made of whole
lines: what a killed run left half-written is dropped when the file is opened again. Records
of schema 1, which earlier versions wrote, are read as what they would be in schema 2.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import filelock

from network_prune.errors import RunError, SourceError, brief
from network_prune.options import OPTIONS
from network_prune.results.line_file import LineFile, cannot_write, read_bytes, whole_lines
from network_prune.results.outcome_store import OutcomeStore, WrittenOutcomes
from network_prune.results.record_shape import check_shape
from network_prune.results.uncollected import uncollected

SCHEMA: Final = 2
FILE: Final = "records.jsonl"
# What records say of the data that earlier ones didn't.
_LATER_OPTIONS: Final = {
    name: OPTIONS[name].default for name in ("class_order", "only_data_classes", "exif")
}
_LOCK: Final = "records.lock"

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """What the lines of a file of records are.

    Attributes:
        file: the file's name in its folder.
        command: what writes such a folder, for people.
        lost: what is computed again if a line is removed, for people.
        schemas: those that are read.
        read: returns an entry as a record of the present schema, given the one before, which
            may be empty; raises SourceError, or any usual error for what is no record.
    """

    file: str
    command: str
    lost: str
    schemas: tuple[int, ...]
    read: Callable[[Any, Record], Record]


class HeldRecords:
    """Records in memory alone, of a study that keeps no folder.

    Args:
        records: those that there are.
        outcomes: what belongs to them.

    Attributes:
        folder: None.
        records: what was appended, by key.
        outcomes: what belongs to them.
    """

    def __init__(
        self, records: Iterable[Record] = (), outcomes: OutcomeStore | None = None
    ) -> None:
        self.folder = None
        self.records: dict[str, Record] = {record["key"]: record for record in records}
        self.outcomes = outcomes or OutcomeStore()

    def append(self, record: Record) -> None:
        """Hold one record, as plain data."""
        self.records[record["key"]] = json.loads(json.dumps(record, allow_nan=False))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class RecordFile:
    """A study's files, opened for appending by one process at a time; leaving it closes them.

    Args:
        folder: the study's folder, made if it isn't there.
        form: what the records are.

    Attributes:
        folder: the study's folder.
        path: the file of records.
        records: what the file holds, by key; of several lines with a key the last.
        dropped: number of bytes of a half-written last line that was dropped on opening.
        outcomes: what belongs to the records.

    Raises:
        RunError: another process writes there, or nothing can be written.
        SourceError: a line isn't a record of this schema.
    """

    def __init__(self, folder: Path, form: Form | None = None) -> None:
        form = form or STUDY
        self.folder = folder
        self.path = folder / form.file
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(folder / _LOCK)
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise RunError(
                f"another run writes to {folder}; wait for it, or pass another folder with --out"
            ) from None
        except FileExistsError:
            raise RunError(
                f"cannot write {folder}: it is a file; pass a folder with --out"
            ) from None
        except OSError as error:
            raise cannot_write(folder, error) from None
        with ExitStack() as held:
            held.callback(lock.release)
            self._file = LineFile(self.path)
            held.callback(self._file.close)
            self.dropped = self._file.dropped
            found = _parse(self.path, self._file.content, form)
            self.records: dict[str, Record] = {record["key"]: record for record in found}
            self.outcomes = WrittenOutcomes(folder)
            held.callback(self.outcomes.close)
            self._held = held.pop_all()

    def append(self, record: Record) -> None:
        """Write one record, whole, and flush it to the disk; then `records` has it as written.

        Raises:
            RunError: it can't be written; the file is as it was.
        """
        line = json.dumps(record, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        self._file.append(line)
        self.records[record["key"]] = json.loads(line)

    def close(self) -> None:
        """Close the files and let others write to them."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_records(entries: Iterable[Any], path: Path) -> list[Record]:
    """Return the entries of a list in a file as a study's records of this schema.

    Raises:
        SourceError: one isn't a record.
    """
    return [
        _read(entry, {}, STUDY, f"{path} entry {number}", "pass a list of records alone")
        for number, entry in enumerate(entries, start=1)
    ]


def read_records(folder: Path, form: Form | None = None) -> tuple[list[Record], int]:
    """Return the records in a study's folder, and how many bytes a half-written last line has.

    Raises:
        SourceError: there are none, or a line isn't a record of this schema.
    """
    form = form or STUDY
    path = folder / form.file
    if not path.is_file():
        raise SourceError(
            f"{folder} holds no {form.file}; pass the folder that {form.command} wrote with --out"
        )
    content = read_bytes(path)
    whole = whole_lines(content)
    with uncollected():
        return list(_parse(path, whole, form)), len(content) - len(whole)


def _parse(path: Path, lines: bytes, form: Form) -> Iterator[Record]:
    last: Record = {}
    for number, line in enumerate(lines.splitlines(), start=1):
        remedy = f"remove the line, and {form.lost} again"
        try:
            entry = json.loads(line, parse_constant=_no_number)
        except (ValueError, RecursionError):
            entry = None
        last = _read(entry, last, form, f"{path} line {number}", remedy)
        yield last


def _read(entry: Any, last: Record, form: Form, where: str, remedy: str) -> Record:
    """Return an entry as a record; what is as in the ``last`` one needs no other look."""
    try:
        if entry["schema"] in form.schemas:
            return form.read(entry, last)
    except SourceError as error:
        raise SourceError(f"{where} {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SourceError(f"{where} is no record; {remedy}") from None
    known = " and ".join(map(str, form.schemas))
    raise SourceError(
        f"{where} has schema {brief(entry['schema'])}, this version reads {known}; "
        "use the version of network-prune that wrote it, or another folder"
    )


def _read_study_record(entry: Any, last: Record) -> Record:
    record = _modern(entry) if entry["schema"] == 1 else entry
    record["asked"]["data"] = {**_LATER_OPTIONS, **record["asked"]["data"]}
    check_shape(record, last)
    return record


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number in JSON")


def _modern(record: Record) -> Record:
    """Return a record of schema 1 in the shape of schema 2."""
    names = ("score", "score_data", "prunable_sha256", "draw_sha256", "difference")
    others = {name: record.get(name) for name in names}
    others["realised"] = record.get("pruning")
    asked = {**record["asked"], "running": record["running"]}
    kept = {name: value for name, value in record.items() if name not in ("running", "pruning")}
    return {**kept, "schema": SCHEMA, "asked": asked, **others}


STUDY: Final = Form(
    FILE, "sweep", "its variant is evaluated", (*range(1, SCHEMA + 1),), _read_study_record
)
