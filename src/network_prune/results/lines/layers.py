"""A record's layers, which are most of it and seldom looked at: as text until somebody does."""

import json
from collections.abc import Mapping
from functools import wraps
from typing import Any, Final

from network_prune.errors import SourceError
from network_prune.results.outcome_store import from_text, to_text

_Layers = list[dict[str, Any]]
_UNTOUCHED: Final = {"__new__", "__init__", "__getattribute__", "__hash__", "__doc__"}


class PackedLayers(_Layers):
    """A list that reads its text when it is first used in any way, and then is as any other.

    Args:
        text: what `packed` gave.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text: str | None = text

    def __radd__(self, other: _Layers) -> _Layers:
        return [*other, *self]

    def __reduce__(self) -> tuple[type, tuple[_Layers]]:
        return list, ([*self],)

    def _unpack(self) -> None:
        text, self._text = self._text, None
        if text is not None:
            list.extend(self, _read(text))


def _unpacking(name: str) -> Any:
    method = getattr(list, name)

    @wraps(method)
    def first_unpack(self: PackedLayers, *args: Any, **options: Any) -> Any:
        for each in (self, *args):
            if isinstance(each, PackedLayers):
                each._unpack()  # pyright: ignore[reportPrivateUsage]
        return method(self, *args, **options)

    return first_unpack


for _name in vars(list).keys() - _UNTOUCHED - vars(PackedLayers).keys():
    setattr(PackedLayers, _name, _unpacking(_name))


def with_packed_layers(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record, of any kind, with its layers, if it has any, as text."""
    realised = record.get("realised") or {}
    if "layers" not in realised:
        return dict(record)
    text = to_text(json.dumps(realised["layers"], separators=(",", ":")).encode())
    return {**record, "realised": {**realised, "layers": text}}


def unpack_layers(record: Mapping[str, Any]) -> None:
    """Turn a record's layers, where they are text, into a list; in place."""
    realised = record.get("realised") or {}
    if isinstance(realised.get("layers"), str):
        realised["layers"] = PackedLayers(realised["layers"])


def _read(text: str) -> _Layers:
    try:
        return json.loads(from_text(text))
    except (ValueError, RecursionError):
        raise SourceError("the layers of a record are damaged; remove its line") from None
