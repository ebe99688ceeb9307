"""Files that are written whole or not at all."""

import os
import uuid
from pathlib import Path

from network_prune.errors import RunError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file; one that is there keeps its content until all of the new one is written.

    What is no plain file, such as a pipe, is written to as it stands.

    Raises:
        RunError: it can't be written.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        target = Path(os.path.realpath(path))
        draft = target.parent / f".{target.name}.{uuid.uuid4().hex}"
        try:
            draft.write_bytes(content)
            os.replace(draft, target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None
