"""The outcomes that the page carries, so that two rows can be compared image by image."""

import zlib
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from network_prune.evaluation.outcomes import Outcomes
from network_prune.plain_text import plain
from network_prune.results.comparing.sets import images_id
from network_prune.results.images import Images
from network_prune.results.records import Record
from network_prune.results.study import Study

# What all of them may take of a page, in bytes of text.
BUDGET: Final = 4_000_000
# Outcomes of variants that barely differ shrink so far at the most.
_SHRINK: Final = 20


def embedded_outcomes(
    rows: Sequence[tuple[Study, Record]], *, budget: int = BUDGET
) -> list[dict[str, Any]]:
    """Return the outcomes of records as plain data, a piece for each set of images.

    A piece has ``n``, the ``rows`` it is of, ``bits`` (base64 of zlib: a row of bits each,
    1 for an image right at 1, the lowest bit first; all but the first row as what differs
    from it), ``left_out`` (by row the images that weren't read) and ``names``, None where
    there are none or no room. Pieces that go beyond the budget are left out.

    Args:
        rows: the records with the studies that they are of.
        budget: how many bytes of text all may take.
    """
    sets: dict[str, list[int]] = {}
    for number, (_, record) in enumerate(rows):
        sets.setdefault(images_id(record), []).append(number)
    pieces: list[dict[str, Any]] = []
    for numbers in sets.values():
        size = sum(rows[number][1]["metrics"]["n"] // 8 for number in numbers)
        piece = _piece(rows, numbers) if size < _SHRINK * budget else None
        if piece is None or len(piece["bits"]) > budget:
            continue
        budget -= len(piece["bits"])
        names = _names(rows, numbers, piece["n"])
        length = sum(len(name) + 3 for name in names or ())
        if length <= budget:
            budget -= length
            piece["names"] = names
        pieces.append(piece)
    return pieces


def _piece(rows: Sequence[tuple[Study, Record]], numbers: Sequence[int]) -> dict[str, Any] | None:
    found: dict[int, Outcomes] = {}
    for number in numbers:
        study, record = rows[number]
        outcomes = study.outcomes(record)
        if outcomes is not None:
            found[number] = outcomes
    if len(found) < 2 or len({len(outcomes) for outcomes in found.values()}) != 1:
        return None
    bits = np.stack([np.packbits(each.right1, bitorder="little") for each in found.values()])
    bits[1:] ^= bits[0]
    left_out = {number: np.flatnonzero(~each.seen).tolist() for number, each in found.items()}
    return {
        "n": len(next(iter(found.values()))),
        "rows": list(found),
        "bits": b64encode(zlib.compress(bits.tobytes(), 9)).decode(),
        "left_out": {number: places for number, places in left_out.items() if places},
        "names": None,
    }


def _names(
    rows: Sequence[tuple[Study, Record]], numbers: Sequence[int], n: int
) -> list[str] | None:
    for number in numbers:
        study, record = rows[number]
        images: Images | None = study.images(record)
        if images is not None and images.names and len(images.names) == n:
            return list(map(plain, images.names))
    return None
