"""Whether files of published weights are what their names say."""

import hashlib
import re
from pathlib import Path
from typing import Final

from network_prune.errors import SourceError

_UNVERIFIED: Final = ", unverified"
# torch's host ends names in the first digits of the file's SHA-256: name-0123abcd.pth.
_DIGITS: Final = re.compile(r"-([0-9a-f]{8,64})(?=\.)")
_BLOBS: Final = "blobs"


def digits_in(name: str) -> str | None:
    """Return the first digits of the SHA-256 that the name of a file ends in, None for none."""
    return next(iter(_DIGITS.findall(name)[-1:]), None)


def check_hash(path: Path) -> bool:
    """Return whether it is known that a file is the published one.

    torch's host says a file's hash in its name; the hub's client keeps files under theirs: the
    SHA-256 of large ones, git's SHA-1 of others.

    Raises:
        SourceError: the file has another hash.
    """
    stored = path.resolve()
    expected = digits_in(path.name)
    if stored.parent.name == _BLOBS and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", stored.name):
        expected = stored.name
    if expected is None:
        return False
    kind = "SHA-1 (git)" if len(expected) == len(hashlib.sha1().hexdigest()) else "SHA-256"
    found = _git_sha1(stored) if kind.startswith("SHA-1") else _sha256(stored)
    if not found.startswith(expected):
        raise SourceError(
            f"{path} isn't the file that its name says: its {kind} is "
            f"{found[: len(expected)]}, not {expected}; remove {stored} to have it downloaded "
            "anew, or pass --weights FILE"
        )
    return True


def weights_text(name: str, *files: Path) -> str:
    """Return what published weights in ``files`` are called, with a word if they aren't verified.

    Raises:
        SourceError: one isn't what it says.
    """
    are_verified = [check_hash(path) for path in files]
    return name if all(are_verified) else name + _UNVERIFIED


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git_sha1(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
