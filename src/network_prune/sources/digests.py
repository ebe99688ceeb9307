"""What pictures were read from, in a few bytes each, so that exchanged ones are noticed."""

import hashlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, Self

import numpy as np

from network_prune.errors import SourceError

if TYPE_CHECKING:
    from PIL.Image import Image

SIZE: Final = 8
# Stands for a picture that has no bytes, or none that can be read.
NO_BYTES: Final = bytes(SIZE)


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture.

    Attributes:
        image: the picture.
        digest: `SIZE` bytes of BLAKE2b, of its file's bytes or, where it has none, its pixels.
    """

    image: "Image"
    digest: bytes


class PictureError(SourceError):
    """A picture can't be read.

    Attributes:
        digest: of the bytes that it has.
    """

    digest: bytes = NO_BYTES

    @classmethod
    def of(cls, error: SourceError, digest: bytes) -> Self:
        """Return an ``error`` with the digest of the bytes that it is about."""
        own = cls(str(error))  # workers hand it on by its text and attributes
        own.digest = digest
        return own


def digest_of_file(file: IO[bytes]) -> bytes:
    """Return the digest of all that an open ``file`` holds, and go back to its start."""
    file.seek(0)
    found = hashlib.file_digest(file, _blake2b).digest()  # pyright: ignore[reportArgumentType]
    file.seek(0)
    return found


def of_pixels(image: "Image", pixels: np.ndarray | None = None) -> Picture:
    """Return a picture that has no file; ``pixels`` are its own, where they are at hand."""
    content = image.tobytes() if pixels is None else pixels.tobytes()
    return Picture(image, _blake2b(content).digest())


def differing(one: bytes, other: bytes) -> list[int]:
    """Return the places at which digests of pictures differ, as far as both go."""
    n = min(len(one), len(other)) // SIZE
    first, second = (np.frombuffer(digests, "<u8", n) for digests in (one, other))
    return np.flatnonzero(first != second).tolist()


def sha256_of(digests: bytes) -> str:
    """Return the SHA-256 (hex) over the digests of pictures in their order."""
    return hashlib.sha256(digests).hexdigest()


def _blake2b(content: bytes = b"") -> "hashlib.blake2b":
    return hashlib.blake2b(content, digest_size=SIZE)
