"""Which shard of a study does what, as the first of them wrote it down for all."""

import hashlib
import os
import uuid
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from network_prune.errors import SourceError
from network_prune.results.lines.checksum import DamageError, checked, parse, signed
from network_prune.results.lines.line_file import cannot_write, read_bytes
from network_prune.results.parts.folder import CUT_FILE, shards_folder

_SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Unit:
    """Some variants of a network on some images.

    Attributes:
        shard: number of the shard that evaluates them, from 1.
        network: place of the network in the plan.
        variants: places of the variants among those that the plan says of it.
        planned: how many the plan says; of scope ``alone`` each stands for several.
        images: places of the images.
    """

    shard: int
    network: int
    variants: range
    planned: int
    images: range

    def among(self, count: int) -> slice:
        """Return the places of the variants among ``count``, which those of the plan stand for."""
        first, last = (
            place * count // max(self.planned, 1)
            for place in (self.variants.start, self.variants.stop)
        )
        return slice(first, last)


@dataclass(frozen=True)
class Cut:
    """A study cut into units.

    Attributes:
        plan: hash of what is evaluated.
        shards: number of shards.
        images: number of images.
        command: that each shard runs, but for ``--shard``; empty if it isn't known.
        units: what there is to do, in the plan's order.
    """

    plan: str
    shards: int
    images: int
    command: str
    units: tuple[Unit, ...]

    @cached_property
    def identity(self) -> str:
        """Hash of it all."""
        return hashlib.sha256(signed(self._plain())).hexdigest()

    def write(self, study: Path) -> "Cut":
        """Write it into a study's folder, unless another is there; return the one that is.

        Raises:
            RunError: it can't be written.
            SourceError: what is there is damaged.
        """
        path = shards_folder(study) / CUT_FILE
        draft = path.with_name(f"{CUT_FILE}.{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(signed(self._plain()))
            try:
                os.link(draft, path)  # one alone succeeds, over a network, too
            except FileExistsError:
                pass
            except OSError:  # there are no links; all shards would write the same
                os.replace(draft, path)
            finally:
                draft.unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from None
        return Cut.read(study) or self

    @classmethod
    def read(cls, study: Path) -> Self | None:
        """Return what is written in a study's folder, None if nothing is.

        Raises:
            SourceError: it is damaged.
        """
        path = shards_folder(study) / CUT_FILE
        if not path.is_file():
            return None
        try:
            return cls._of(parse(checked(read_bytes(path)) or b""))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            why = f" ({error})" if isinstance(error, DamageError) else ""
            raise SourceError(
                f"{path} isn't what was written there{why}; delete {path.parent} to begin the "
                "shards anew"
            ) from None

    def _plain(self) -> dict[str, Any]:
        units = [
            [u.shard, u.network, *_ends(u.variants), u.planned, *_ends(u.images)]
            for u in self.units
        ]
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {"schema": _SCHEMA, **fields, "units": units}

    @classmethod
    def _of(cls, values: dict[str, Any]) -> Self:
        if values.pop("schema") != _SCHEMA:
            raise DamageError("another version wrote it")
        units = [
            Unit(shard, network, range(first, last), planned, range(start, stop))
            for shard, network, first, last, planned, start, stop in values.pop("units")
        ]
        return cls(units=tuple(units), **values)


def _ends(places: range) -> tuple[int, int]:
    return places.start, places.stop
