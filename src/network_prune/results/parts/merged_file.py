"""That the shards of a plan were put together, and which records that made."""

from collections.abc import Sequence
from pathlib import Path

from network_prune.results.lines.checksum import DamageError, checked, parse, signed
from network_prune.results.lines.line_file import read_bytes
from network_prune.results.parts.folder import shards_folder
from network_prune.whole_file import write_whole


def write_merged(study: Path, plan: str, keys: Sequence[str]) -> None:
    """Write down the keys of a plan's records, in the plan's order.

    Raises:
        RunError: it can't be written.
    """
    write_whole(_path(study, plan), signed({"plan": plan, "keys": list(keys)}))


def read_merged(study: Path, plan: str) -> list[str] | None:
    """Return the keys of a plan's records; None if its shards weren't put together.

    Raises:
        SourceError: the file can't be read.
    """
    path = _path(study, plan)
    if not path.is_file():
        return None
    try:
        values = parse(checked(read_bytes(path)) or b"")
        return list(map(str, values["keys"])) if values["plan"] == plan else None
    except (DamageError, KeyError, TypeError):
        return None  # then the shards find out anew what is recorded


def _path(study: Path, plan: str) -> Path:
    return shards_folder(study) / f"merged-{plan[:16]}.json"
