"""What the lines of a file of records are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from network_prune.errors import SourceError, brief
from network_prune.results.lines.checksum import MEMBER, DamageError
from network_prune.results.lines.layers import unpack_layers

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """What the lines of a file of records are.

    Attributes:
        file: the file's name in its folder.
        command: what writes such a folder, for people.
        again: what is done for want of a line, for people.
        schema: that is written; lines of earlier ones have no checksum.
        modern: returns an entry of an earlier schema, or this, as one of this.
        check: raises `DamageError`, or any usual error, for what is no such record.
        key: returns the key of what a record says.
        figures: returns what two records with one key may not differ in if both have it.
    """

    file: str
    command: str
    again: str
    schema: int
    modern: Callable[[Record], Record]
    check: Callable[[Record], None]
    key: Callable[[Record], str]
    figures: Callable[[Record], Mapping[str, Any]]

    def read(self, entry: Any, *, is_checked: bool) -> Record:
        """Return an entry as a record of this schema.

        Args:
            entry: what was parsed; it may be changed.
            is_checked: whether its checksum is right, or it is of a kind that needs none.

        Raises:
            DamageError: it is no record, or not what was written.
            SourceError: a later version wrote it.
        """
        try:
            self._check_schema(entry["schema"], is_checked=is_checked)
            entry.pop(MEMBER, None)
            record = self.modern(entry)
            unpack_layers(record)
            if self.key(record) != record["key"]:
                raise DamageError("its key isn't that of what it says")
            self.check(record)
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            if isinstance(error, DamageError | SourceError):
                raise
            raise DamageError("it is no record") from None
        return record

    def _check_schema(self, schema: Any, *, is_checked: bool) -> None:
        if schema in range(1, self.schema + is_checked):
            return
        if not is_checked:
            raise DamageError("it has no checksum")
        known = ", ".join(map(str, range(1, self.schema)))
        raise SourceError(
            f"has schema {brief(schema)}, this version reads {known} and {self.schema}; use the "
            "version of network-prune that wrote it, or another folder"
        )
