"""The records of a study: one JSON line for each finished variant, appended to a file.

Everything that is shown of a study is derived from records alone. The file is made of whole
lines, each with a checksum: what a killed run left half-written is dropped when the file is
opened again, and a line that isn't what was written is told, left as it is and not believed.
Records of earlier schemas, whose lines have no checksum, are read as what they would be in this.
"""

import json
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, Final, Self

import filelock

from network_prune.errors import RunError, SourceError
from network_prune.options import OPTIONS
from network_prune.results.lines.checksum import DamageError
from network_prune.results.lines.form import Form, Record
from network_prune.results.lines.line_file import (
    BLOCK,
    LineFile,
    bare,
    cannot_read,
    cannot_write,
    is_whole,
)
from network_prune.results.lines.notices import Damaged, Dropped, Notice
from network_prune.results.lines.record_lines import RecordLines, line_of
from network_prune.results.outcome_store import OutcomeStore, WrittenOutcomes
from network_prune.results.parts.folder import is_cut
from network_prune.results.record_key import record_key
from network_prune.results.record_shape import check_shape

SCHEMA: Final = 3
FILE: Final = "records.jsonl"
# What records say of the data that earlier ones didn't.
_LATER_OPTIONS: Final = {
    name: OPTIONS[name].default for name in ("class_order", "only_data_classes", "exif")
}
_LOCK: Final = "records.lock"
# What is a record's alone, which it says behind what it shares with others.
_OWN: Final = (
    "variant",
    "score",
    "prunable_sha256",
    "draw_sha256",
    "realised",
    "metrics",
    "difference",
    "outcomes",
)


class HeldRecords:
    """Records in memory alone, of a study that keeps no folder.

    Args:
        records: those that there are.
        outcomes: what belongs to them.

    Attributes:
        folder: None.
        records: what was appended, by key.
        outcomes: what belongs to them.
        notices: what to know of them: nothing.
    """

    def __init__(
        self, records: Iterable[Record] = (), outcomes: OutcomeStore | None = None
    ) -> None:
        self.folder = None
        self.records: dict[str, Record] = {record["key"]: record for record in records}
        self.outcomes = outcomes or OutcomeStore()
        self.notices: list[Notice] = []

    def append(self, record: Record) -> None:
        """Hold one record, as plain data."""
        self.records[record["key"]] = json.loads(json.dumps(record, allow_nan=False))

    def heads(self) -> Iterable[Record]:
        """Return what records say of network, images and running."""
        return self.records.values()

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
        records: what the file holds, by key.
        notices: what to know of lines that were left out.
        outcomes: what belongs to the records.

    Raises:
        RunError: another process writes there, or nothing can be written.
        SourceError: a line is a later version's, or two lines contradict each other.
    """

    def __init__(self, folder: Path, form: Form | None = None) -> None:
        self._form = form or STUDY
        self.folder = folder
        self.path = folder / self._form.file
        lock = _lock(folder)
        with ExitStack() as held:
            held.callback(lock.release)
            self._reader = reader = _Reader(self.path, self._form)
            self._file = LineFile(self.path, lambda line, _: reader.take(line))
            held.callback(self._file.close)
            reader.drop(self._file.dropped)
            self.records, self.notices = reader.records, reader.notices
            self.outcomes = WrittenOutcomes(folder)
            held.callback(self.outcomes.close)
            self._held = held.pop_all()

    def append(self, record: Record) -> None:
        """Write one record, whole, and flush it to the disk; then `records` has it as written.

        Raises:
            RunError: it can't be written, or contradicts the one with its key; the file is as
                it was.
        """
        try:
            self.records.check_new(record)
        except SourceError as error:
            raise RunError(str(error)) from None
        line = line_of(record)
        if self._file.change() is not None:
            self._reader.add(line)  # to be rescued with the others
        self._file.append(line)
        self._reader.add(line)

    def heads(self) -> Iterable[Record]:
        """Return records without those that say the same of network, images and running."""
        return self.records.heads()

    def close(self) -> None:
        """Close the files and let others write to them.

        Raises:
            RunError: others changed them; what was recorded is in another folder then.
        """
        with self._held:
            files = filter(None, (self._file, self.outcomes.file))
            changes = [(file.path, file.change(within=True)) for file in files]
            told = [f"{path} {change}" for path, change in changes if change]
            if told:
                raise RunError(f"{' and '.join(told)} during the run; {self._rescued()}")

    def _rescued(self) -> str:
        """Write all that was recorded into a new folder beside the study's; return what to do."""
        if not self.records:
            return "nothing was recorded yet: run the same command again"
        names = (f"{self.folder.name}-rescued-{number}" for number in count(1))
        folder = next(
            path for path in map(self.folder.absolute().with_name, names) if not path.exists()
        )
        try:
            folder.mkdir(parents=True)
            with (folder / self._form.file).open("wb") as file:
                file.writelines(line + b"\n" for line in self.records.lines())
            if self.outcomes.file is not None:
                with (folder / self.outcomes.file.path.name).open("wb") as file:
                    file.writelines(self.outcomes.file.blocks())
        except OSError as error:
            raise cannot_write(folder, error) from None
        return f"all that was recorded is in {folder}: the same command goes on there with --out"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_records(folder: Path, form: Form | None = None) -> tuple[RecordLines, list[Notice]]:
    """Return the records in a study's folder, and what to know of lines that were left out.

    Raises:
        SourceError: there are none, a line is a later version's, or two contradict each other.
    """
    form = form or STUDY
    path = folder / form.file
    if not path.is_file():
        raise SourceError(
            f"{folder} holds shards whose records aren't put together yet; network-prune records "
            "FOLDER says what is missing, network-prune records merge FOLDER records what is there"
            if is_cut(folder)
            else f"{folder} holds no {form.file}; pass the folder that {form.command} wrote with "
            "--out"
        )
    reader = _Reader(path, form)
    try:
        with path.open("rb", BLOCK) as file:
            for line in file:
                if is_whole(line):
                    reader.take(bare(line))
                else:
                    reader.drop(len(line))
    except OSError as error:
        raise cannot_read(path, error) from None
    return reader.records, reader.notices


def check_records(entries: Iterable[Any], path: Path) -> list[Record]:
    """Return the entries of a list in a file as a study's records of this schema.

    Raises:
        SourceError: one isn't a record.
    """
    found: list[Record] = []
    for number, entry in enumerate(entries, start=1):
        where = f"{path} entry {number}"
        try:
            found.append(STUDY.read(entry, is_checked=True))
        except DamageError as damage:
            raise SourceError(f"{where}: {damage}; pass a list of records alone") from None
        except SourceError as error:
            raise SourceError(f"{where} {error}") from None
    return found


class _Reader:
    """Takes the lines of a file of records in, and notes what isn't believed."""

    def __init__(self, path: Path, form: Form) -> None:
        self.records = RecordLines(path, form)
        self.notices: list[Notice] = []
        self._path, self._form = path, form
        self._number = 0

    def take(self, line: bytes) -> None:
        """Take the next line, which has no end any more.

        Raises:
            SourceError: it is a later version's, or contradicts an earlier one.
        """
        try:
            self.add(line)
        except DamageError as damage:
            self.notices.append(Damaged(self._path, self._number, str(damage), self._form.again))

    def add(self, line: bytes) -> None:
        """Take the next line; raises a DamageError, too, where that isn't believed."""
        self._number += 1
        self.records.take(line, self._number)

    def drop(self, size: int) -> None:
        """Note a half-written last line of so many bytes, if there are any."""
        if size:
            self.notices.append(Dropped(self._path, size, self._form.again))


def _lock(folder: Path) -> filelock.BaseFileLock:
    """Make the folder, and keep others from writing there until the lock is released."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / _LOCK)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise RunError(
            f"another run writes to {folder}; wait for it, or pass another folder with --out"
        ) from None
    except FileExistsError:
        raise RunError(f"cannot write {folder}: it is a file; pass a folder with --out") from None
    except OSError as error:
        raise cannot_write(folder, error) from None
    return lock


def _modern(entry: Record) -> Record:
    """Return a record of an earlier schema in the shape of this."""
    record: Record = _from_schema_1(entry) if entry["schema"] == 1 else {**entry, "schema": SCHEMA}
    asked = record["asked"]
    record["asked"] = {**asked, "data": {**_LATER_OPTIONS, **asked["data"]}}
    own = {name: record.pop(name) for name in _OWN if name in record}
    return {**record, **own}


def _from_schema_1(record: Record) -> Record:
    names = ("score", "score_data", "prunable_sha256", "draw_sha256", "difference")
    others = {name: record.get(name) for name in names}
    others["realised"] = record.get("pruning")
    asked = {**record["asked"], "running": record["running"]}
    kept = {name: value for name, value in record.items() if name not in ("running", "pruning")}
    return {**kept, "schema": SCHEMA, "asked": asked, **others}


def _figures(record: Record) -> Record:
    """Return what two records with one key may not differ in, as far as both know it."""
    parts = ("metrics", "difference", "realised")
    known: dict[str, Record] = {name: record[name] or {} for name in parts}
    pieces = record.get("outcomes") or {}
    return {
        **{f"{part}.{name}": each for part in known for name, each in known[part].items()},
        **{name: record.get(name) for name in ("prunable_sha256", "draw_sha256")},
        **({"outcomes": pieces["sha256"]} if "sha256" in pieces else {}),
    }


STUDY: Final = Form(
    FILE,
    "sweep",
    "its variant is evaluated",
    SCHEMA,
    _modern,
    check_shape,
    record_key,
    _figures,
)
