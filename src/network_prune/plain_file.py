"""Files that are read only if they are plain ones: a pipe may hang, and a device never ends."""

import os
import re
import stat
from pathlib import Path
from typing import Final

from network_prune.errors import SourceError

_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (lambda _: True, "a device"),
)
# What compresses better, and to more than this, is made for it.
_MOST_UNPACKED: Final = 100
_SMALL: Final = 100_000_000
# Where a system shows pipes that are open already, such as a shell's <(…) and standard input.
_OPEN_ALREADY: Final = re.compile(r"/dev/(stdin|fd/\d+)|/proc/[^/]+/fd/\d+")


def check_plain(path: str | os.PathLike[str], *, may_be_open_pipe: bool = False) -> None:
    """Refuse what is there and is no plain file; what isn't there is left to whoever opens it.

    Args:
        path: what is to be read.
        may_be_open_pipe: let pipes through that a shell has opened.

    Raises:
        SourceError: it is a folder, pipe, socket or device.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return
    is_open = stat.S_ISFIFO(mode) and _OPEN_ALREADY.fullmatch(os.path.abspath(path))
    if stat.S_ISREG(mode) or (may_be_open_pipe and is_open):
        return
    kind = next(name for is_kind, name in _KINDS if is_kind(mode))
    raise SourceError(f"{os.fspath(path)} is {kind}; pass a plain file")


def check_unpacked(path: str | os.PathLike[str], unpacked: int) -> None:
    """Refuse a compressed file of which little becomes very much.

    Args:
        path: the file.
        unpacked: how many bytes it says that it unpacks to.

    Raises:
        SourceError: these are more than 100 MB, and 100 times as many as the file has.
    """
    if unpacked > max(_SMALL, _MOST_UNPACKED * os.path.getsize(path)):
        raise SourceError(
            f"{os.fspath(path)} would unpack to {unpacked} bytes, more than {_MOST_UNPACKED} times "
            "its size; save it without compression if that is right"
        )


def read_small_text(path: Path, *, what: str, most: int) -> str:
    """Return the text of a file that people write, or of a pipe that a shell has opened.

    Args:
        path: the file.
        what: what errors call it.
        most: how many bytes it may have.

    Raises:
        SourceError: it can't be read, is larger, no UTF-8 text, or no plain file.
    """
    check_plain(path, may_be_open_pipe=True)
    try:
        with open(path, "rb") as file:
            content = file.read(most + 1)
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise SourceError(f"cannot read {what} {path}: {reason}") from None
    if len(content) > most:
        raise SourceError(f"{what} {path} is too large; it has at most {most} bytes")
    return text
