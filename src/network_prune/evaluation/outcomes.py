"""What became of each image: wrong, right at 5, right at 1, or left out; two bits an image."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from network_prune.evaluation.metrics import Samples

WRONG: Final = 0
RIGHT_AT_5: Final = 1
# Right at 1 alone can't be: what is right at 1 is right at 5.
LEFT_OUT: Final = 2
RIGHT_AT_1: Final = 3
_PER_BYTE: Final = 4
_NO_LOSS: Final = np.iinfo(np.int64).min
_SHIFTS: Final = np.arange(0, 8, 2, dtype=np.uint8)
# What each of 256 bytes holds, [256, 4].
_CODES: Final = (np.arange(256, dtype=np.uint8)[:, None] >> _SHIFTS) & 3


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One code an image, in the data's order.

    Attributes:
        codes: a byte each: `WRONG`, `RIGHT_AT_5` (and not at 1), `RIGHT_AT_1`, or `LEFT_OUT`
            for an image that couldn't be read.
    """

    codes: bytes = b""

    @classmethod
    def of(cls, samples: Samples) -> Self:
        """Return the outcomes of the images of one batch."""
        hits = zip(samples.hits1, samples.hits5, strict=True)
        return cls(bytes(RIGHT_AT_1 if at1 else RIGHT_AT_5 * at5 for at1, at5 in hits))

    @classmethod
    def unpack(cls, packed: bytes, n: int) -> Self:
        """Return what `pack` packed of ``n`` images.

        Raises:
            ValueError: ``packed`` is of another number of images.
        """
        whole = np.frombuffer(packed, np.uint8)
        if len(whole) != -(-n // _PER_BYTE):
            raise ValueError(f"{len(whole)} bytes aren't the outcomes of {n} images")
        return cls(_CODES[whole].tobytes()[:n])

    def pack(self) -> bytes:
        """Return the codes, four a byte, the first in the lowest bits."""
        codes = np.zeros(-(-len(self) // _PER_BYTE) * _PER_BYTE, np.uint8)
        codes[: len(self)] = self.array
        quads = codes.reshape(-1, _PER_BYTE)
        return (quads << _SHIFTS).sum(axis=1, dtype=np.uint8).tobytes()

    def leave_out(self, positions: Iterable[int]) -> Self:
        """Return the outcomes with images that were left out put in at ``positions``."""
        left_out = np.array(sorted(set(positions)), dtype=np.int64)
        codes = np.full(len(self) + len(left_out), LEFT_OUT, np.uint8)
        codes[np.setdiff1d(np.arange(len(codes)), left_out)] = self.array
        return type(self)(codes.tobytes())

    @property
    def hits(self) -> tuple[int, int]:
        """How many images are right at 1, and at 5."""
        at1 = self.codes.count(RIGHT_AT_1)
        return (at1, at1 + self.codes.count(RIGHT_AT_5))

    @property
    def array(self) -> np.ndarray:
        """The codes, uint8 ``[n]``."""
        return np.frombuffer(self.codes, np.uint8)

    @property
    def right1(self) -> np.ndarray:
        """Which images are right at 1, bool ``[n]``."""
        return self.array == RIGHT_AT_1

    @property
    def right5(self) -> np.ndarray:
        """Which images are right at 5, bool ``[n]``."""
        return (self.array & RIGHT_AT_5).astype(bool)

    @property
    def seen(self) -> np.ndarray:
        """Which images were read, bool ``[n]``."""
        return self.array != LEFT_OUT

    def __add__(self, other: "Outcomes") -> "Outcomes":
        """Return the outcomes of these images and then the other ones."""
        return Outcomes(self.codes + other.codes)

    def __len__(self) -> int:
        return len(self.codes)


def pack_losses(losses: Sequence[int | None]) -> bytes | None:
    """Return losses in units of 2**-32 nats as int64, little-endian; None if one doesn't fit."""
    units = [_NO_LOSS if loss is None else loss for loss in losses]
    try:
        return np.array(units, dtype="<i8").tobytes()
    except OverflowError:
        return None


def unpack_samples(outcomes: Outcomes, losses: bytes) -> Samples | None:
    """Return all images, none of which was left out, with the losses that `pack_losses` packed.

    None if these are of another number of images.
    """
    units = np.frombuffer(losses, "<i8") if len(losses) == 8 * len(outcomes) else None
    if units is None or not outcomes.seen.all():
        return None
    return Samples(
        hits1=tuple(outcomes.right1.tolist()),
        hits5=tuple(outcomes.right5.tolist()),
        losses=tuple(None if loss == _NO_LOSS else loss for loss in units.tolist()),
        ties=(False,) * len(outcomes),
    )
