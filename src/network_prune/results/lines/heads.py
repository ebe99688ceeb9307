"""What the records of one run say alike: everything before their variant, read once.

A line of such records is ``{"schema":…,"key":"…",HEAD,"variant":…}``; any other is taken whole.
"""

from typing import Any, Final, NamedTuple

import msgspec

from network_prune.results.lines.checksum import DamageError, parse
from network_prune.results.record_key import KeyBase

_KEY: Final = 64
_VARIANT: Final = b'"variant":'


class _Rest(msgspec.Struct):
    """What the variant of a rest is, still as text."""

    variant: msgspec.Raw


_decode = msgspec.json.Decoder(_Rest).decode


class Parts(NamedTuple):
    """A line in three.

    Attributes:
        key: the record's key, as the line says.
        head: the members between the key and the variant.
        rest: the variant and all behind it, as a JSON object.
    """

    key: str
    head: bytes
    rest: bytes


def split(content: bytes, schema: int) -> Parts | None:
    """Return the parts of a line without its checksum, None if it isn't of this schema and form."""
    start = b'{"schema":%d,"key":"' % schema
    place = content.find(b"," + _VARIANT)
    behind = len(start) + _KEY
    is_so = content.startswith(start) and content[behind : behind + 2] == b'",' and place > 0
    # JSON lets a member stand twice, of which the last counts; such a line is looked at whole.
    if not is_so or content.count(_VARIANT) > 1:
        return None
    key = content[len(start) : behind].decode(errors="replace")
    return Parts(key, content[behind + 2 : place], b"{" + content[place + 1 :])


class Head:
    """What some records say alike.

    Args:
        text: the members, as `split` gives them.
        record: one of these records, whole.

    Attributes:
        shared: the members, which no record may change.
        first: the record as given.

    Raises:
        DamageError: the text isn't made of whole members, or not of a study's.
    """

    __slots__ = ("_base", "first", "shared")

    def __init__(self, text: bytes, record: dict[str, Any]) -> None:
        names = parse(b"{" + text + b"}")
        self.first = record
        try:
            self.shared = {name: record[name] for name in names}
            self._base = KeyBase(record)
        except (KeyError, TypeError):
            raise DamageError("it is no record") from None

    def fits(self, parts: Parts) -> bool:
        """Return whether a line with this head has the key of what it says."""
        try:
            variant = _decode(parts.rest).variant
            return self._base.fits(msgspec.json.decode(variant), parts.key)
        except (ValueError, RecursionError):
            return False
