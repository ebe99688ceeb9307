"""What a study is known by on a server, whichever folder it is moved to."""

import re
import uuid
from pathlib import Path
from typing import Final

from network_prune.whole_file import write_whole

FILE: Final = "mlflow-study.txt"


def study_id(out: Path | None) -> str:
    """Return the name of the study in a folder, which keeps it; a new one where there is none.

    Raises:
        RunError: the folder can't keep it.
    """
    new = uuid.uuid4().hex
    if out is None:
        return new
    path = out / FILE
    known = path.read_text("ascii", "replace").strip() if path.is_file() else ""
    if re.fullmatch("[0-9a-f]{32}", known):
        return known
    write_whole(path, f"{new}\n".encode())
    return new
