"""Put the parts of a study's shards together to records."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import filelock

from network_prune.errors import RunError, SourceError
from network_prune.results.images import Images, bytes_read, check_bytes
from network_prune.results.lines.line_file import cannot_write
from network_prune.results.lines.notices import Told
from network_prune.results.parts.cut_file import Cut, Unit
from network_prune.results.parts.folder import CUT_FILE, shards_folder
from network_prune.results.parts.merged_file import write_merged
from network_prune.results.parts.part import Part
from network_prune.results.parts.parts import Parts
from network_prune.results.records import Record, RecordFile
from network_prune.sources.digests import sha256_of

_LOCK: Final = "merging.lock"
_SECONDS: Final = 60.0


def merge(study: Path, told: Told) -> tuple[int, tuple[Unit, ...]]:
    """Write a record for each variant that was evaluated on all images, and isn't recorded yet.

    When nothing is missing, what the shards wrote is deleted.

    Args:
        study: the study's folder.
        told: is given what to know of lines that were left out.

    Returns:
        How many records were written, and the units that aren't done.

    Raises:
        SourceError: two files disagree, or are of other inputs.
        RunError: another process writes there, or nothing can be written.
    """
    with _alone(study):
        cut = Cut.read(study)
        if cut is None:  # another process was faster
            return 0, ()
        parts = Parts(study, cut)
        for notice in parts.notices:
            told(notice)
        parts.check_alike()
        keys = parts.done_keys()
        with RecordFile(study) as kept:
            count = sum(map(_Merging(parts, kept).record, keys))
            is_whole = all(key in kept.records for key in keys)
        missing = tuple(parts.missing())
        if is_whole and not missing:
            write_merged(study, cut.plan, keys)
            _delete(study)
    return count, missing


def _delete(study: Path) -> None:
    """Delete what the shards wrote, all of which is recorded; how it was cut first."""
    folder = shards_folder(study)
    (folder / CUT_FILE).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.suffix in (".jsonl", ".lock") or path.name.startswith("partial-"):
            path.unlink(missing_ok=True)


class _Merging:
    """Records variants whose parts are all there."""

    def __init__(self, parts: Parts, kept: RecordFile) -> None:
        self._parts = parts
        self._kept = kept
        self._seen: set[tuple[str, ...]] = set()

    def record(self, key: str) -> bool:
        """Record a variant, if that can and must be done; return whether it was."""
        part, kept = self._parts.whole(key), self._kept
        if part is None or not _is_new(part, kept.records.get(key)):
            return False
        if not part.sums.metrics.n:
            raise SourceError(f"no image could be evaluated ({len(part.left_out)} are unreadable)")
        self._keep_read(part)
        kept.append(part.record(part.figures(), kept.outcomes.put))
        return True

    def _keep_read(self, part: Part) -> None:
        """Keep what images were read from, and their names; refuse others than before."""
        names = None if part.names is None else self._parts.pieces.get(part.names)
        pieces = (*part.read(), *filter(None, [names]))
        known = (part.head["data"]["images"], sha256_of(part.digests), *map(sha256_of, pieces))
        if known in self._seen:
            return
        self._seen.add(known)
        data, kept = part.head["data"], self._kept
        images = Images([]) if names is None else Images.from_bytes(names)
        before = list(bytes_read(kept.heads(), kept.outcomes, "data", images=data["images"]))
        check_bytes(part.digests, before, what=data["name"], n=data["n"], name=images.name)
        for piece in pieces:
            kept.outcomes.put(piece)


def _is_new(part: Part, record: Record | None) -> bool:
    """Return whether a part says more than what is recorded of its variant."""
    if record is None:
        return True
    is_compared = part.head["variant"] is not None and part.sums.paired.n
    return bool(is_compared) and record["difference"] is None


@contextmanager
def _alone(study: Path) -> Generator[None]:
    """Let one process at a time, on all hosts that have the folder, put shards together."""
    lock = filelock.SoftFileLock(study / _LOCK)
    try:
        lock.acquire(timeout=_SECONDS)
    except filelock.Timeout:
        raise RunError(
            f"another process puts the shards of {study} together; wait for it, or delete "
            f"{study / _LOCK} if it was killed"
        ) from None
    except OSError as error:
        raise cannot_write(study, error) from None
    try:
        yield
    finally:
        lock.release()
