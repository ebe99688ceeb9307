"""What values in records may be, as types for msgspec, which looks at all of a record at once."""

from typing import Annotated, Any, TypeVar

from msgspec import Meta, ValidationError, convert

Figure = float | None
Interval = tuple[Figure, Figure]
# As large as data frames hold.
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
# As large as `LARGEST`, which is more than a bound may be here: who takes one looks at that.
Seed = Annotated[int, Meta(ge=0)]
Amount = Annotated[float, Meta(ge=0, le=2.0**63)]
Plain = None | bool | float | str
Entry = Plain | list[Plain]
Flat = dict[str, Entry]

_Kind = TypeVar("_Kind")


def look_at(part: Any, kind: type[_Kind]) -> _Kind:
    """Return a part of a record as that kind; of a Struct the members that it names.

    Raises:
        TypeError: something is missing, or of another kind.
    """
    try:
        return convert(part, kind)
    except ValidationError as error:
        raise TypeError(str(error)) from None


def check(is_so: bool) -> None:
    """Raise a TypeError unless what was looked at is so."""
    if not is_so:
        raise TypeError
