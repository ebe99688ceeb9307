"""What the records of one run say alike: everything before their variant, read once.

A line of such records is ``{"schema":…,"key":"…",HEAD,"variant":…}``; any other is taken whole.
"""

import json
from typing import Any, Final, NamedTuple

from network_prune.results.lines.checksum import DamageError, parse
from network_prune.results.record_key import KeyBase

_KEY: Final = 64
_VARIANT: Final = b'"variant":'
_decode = json.JSONDecoder().raw_decode


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

    Raises:
        DamageError: the text isn't made of whole members, or not of a study's.
    """

    __slots__ = ("_base", "shared")

    def __init__(self, text: bytes, record: dict[str, Any]) -> None:
        names = parse(b"{" + text + b"}")
        try:
            self.shared = {name: record[name] for name in names}
            self._base = KeyBase(record)
        except (KeyError, TypeError):
            raise DamageError("it is no record") from None

    def key(self, rest: bytes) -> str | None:
        """Return the key of the record with that rest; None if the rest is no such JSON."""
        try:
            variant, _ = _decode(rest.decode(), 1 + len(_VARIANT))
            return self._base.key(variant)
        except (ValueError, RecursionError):
            return None
