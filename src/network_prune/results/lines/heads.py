"""What the records of one run say alike: everything before their variant, read once.

A line of such records is ``{"schema":…,"key":"…",HEAD,"variant":…}``; any other is taken whole.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

from network_prune.results.lines.checksum import DamageError, parse
from network_prune.results.record_key import KeyBase

_KEY: Final = 64
_VARIANT: Final = b'"variant":'


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
        shared: the members.
        first: one of these records, whole.

    Attributes:
        shared: as given; no record may change it.
        first: as given.
    """

    __slots__ = ("_base", "_names", "first", "shared")

    def __init__(self, shared: dict[str, Any], first: dict[str, Any]) -> None:
        self.shared, self.first = shared, first
        self._names = {"schema", "key", *shared}
        self._base = KeyBase(first)

    @classmethod
    def of(cls, text: bytes, record: dict[str, Any]) -> Self | None:
        """Return the head of a record's line, as `split` gives it; None if that says otherwise.

        Raises:
            DamageError: it is no record of a study, which alone have variants.
        """
        try:
            said = parse(b"{" + text + b"}")
        except DamageError:
            return None
        shared = {name: record.get(name) for name in said}
        try:
            return cls(shared, record) if shared == said else None
        except (KeyError, TypeError):
            raise DamageError("it is no record") from None

    def fits(self, own: Mapping[str, Any], key: str) -> bool:
        """Return whether the record with this head and its own members has that key.

        Raises:
            KeyError, TypeError, ValueError, RecursionError: these are no record's members.
        """
        return own.keys().isdisjoint(self._names) and self._base.fits(own["variant"], key)
