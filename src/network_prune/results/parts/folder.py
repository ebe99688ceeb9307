"""Where in a study's folder the shards of it lie until they are put together."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

FOLDER: Final = "shards"
CUT_FILE: Final = "cut.json"
PIECES: Final = ".pieces.jsonl"
LINES: Final = ".parts.jsonl"


def shards_folder(study: Path) -> Path:
    """Return the folder of a study's shards."""
    return study / FOLDER


def is_cut(study: Path) -> bool:
    """Return whether a study's folder has shards that aren't put together yet."""
    return (shards_folder(study) / CUT_FILE).is_file()


def name_of(shard: str, host: str) -> str:
    """Return how names of the files begin that a host writes for a shard, ``I/N`` or a word."""
    return f"{shard.replace('/', '-of-')}.{re.sub(r'[^A-Za-z0-9_-]', '-', host)}"


def part_files(study: Path) -> Iterator[Path]:
    """Yield the files of parts that there are, in order of their names."""
    yield from sorted(shards_folder(study).glob(f"*{LINES}"))
