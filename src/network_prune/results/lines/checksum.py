"""A checksum as the last member of a JSON object, over all bytes before it.

CRC-32 finds every change of up to three bits in a line of less than 11 kB, and every run of
changed bits up to 32 long; it guards against disks and editors, not against forgers.
"""

import json
import math
import zlib
from typing import Any, Final

import msgspec

MEMBER: Final = "crc32"
_SIZE: Final = len(',"crc32":"00000000"}')


class DamageError(ValueError):
    """What is wrong with a line or file that isn't what was written."""


def signed(values: dict[str, Any]) -> bytes:
    """Return values as a JSON object on one line with its checksum.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    text = compact(values)
    return text[:-1] + _mark(text[:-1])


def compact(values: dict[str, Any]) -> bytes:
    """Return values as a JSON object on one line without a checksum.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    return json.dumps(values, allow_nan=False, separators=(",", ":")).encode()


def checked(line: bytes) -> bytes | None:
    """Return a line's JSON object without its checksum; None if it has none.

    Raises:
        DamageError: the checksum is another line's.
    """
    body, mark = line[:-_SIZE], line[-_SIZE:]
    if mark == _mark(body):
        return body + b"}"
    if MEMBER.encode() in mark:
        raise DamageError("its checksum doesn't match")
    return None


def parse(text: bytes) -> Any:
    """Return what a JSON text says.

    Raises:
        DamageError: it is no JSON, or holds a number that JSON has no word for or a float hasn't.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return _parse_slowly(text)


def _parse_slowly(text: bytes) -> Any:
    """Do what `parse` does for names of files that are no text, too."""
    try:
        return json.loads(text, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        raise DamageError("it is no JSON") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number in JSON")
    return number


def _mark(body: bytes) -> bytes:
    return b',"crc32":"%08x"}' % zlib.crc32(body)
