"""What the records of one run say alike: everything before their variant, read once.

A line of such records is ``{"schema":…,"key":"…",HEAD,"variant":…}``; any other is taken whole.
"""

from typing import Any, Final, NamedTuple, Self

from msgspec import MsgspecError

from network_prune.errors import SourceError
from network_prune.results.lines.checksum import DamageError, parse
from network_prune.results.record_key import KeyBase
from network_prune.results.record_shape import OWN, read_own

_KEY: Final = 64
_OTHERS: Final = {"schema", "key", *OWN}
_VARIANT: Final = b',"variant":'


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
    behind = len(start) + _KEY
    before, found, after = content.partition(_VARIANT)
    if not (found and before.startswith(start) and before[behind : behind + 2] == b'",'):
        return None
    key = before[len(start) : behind].decode(errors="replace")
    return Parts(key, before[behind + 2 :], b'{"variant":' + after)


class Head:
    """What some records say alike.

    Args:
        shared: the members.
        first: one of these records, whole.

    Attributes:
        shared: as given; no record may change it.
        first: as given.
    """

    __slots__ = ("_base", "_images", "first", "shared")

    def __init__(self, shared: dict[str, Any], first: dict[str, Any]) -> None:
        self.shared, self.first = shared, first
        self._base = KeyBase(first)
        self._images = first["data"].get("n")

    @classmethod
    def of(cls, text: bytes, record: dict[str, Any]) -> Self | None:
        """Return the head of a record's line, as `split` gives it; None if that isn't all.

        JSON lets a member stand twice, of which the last counts: one of the head may stand
        nowhere else.

        Raises:
            DamageError: it is no record of a study, which alone have variants.
        """
        try:
            said = parse(b"{" + text + b"}")
        except DamageError:
            return None
        shared = {name: record.get(name) for name in said}
        try:
            is_all = shared == said and said.keys().isdisjoint(_OTHERS)
            return cls(shared, record) if is_all else None
        except (KeyError, TypeError):
            raise DamageError("it is no record") from None

    def fits(self, rest: bytes, key: str) -> bool:
        """Return whether a line with this head is a record with the key of what it says.

        False, too, where that is to be found out, or told, by looking at it whole.
        """
        try:
            return self._base.fits(read_own(rest, self._images), key)
        except (MsgspecError, TypeError, ValueError, RecursionError, SourceError):
            return False
