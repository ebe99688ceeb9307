"""What a command line names of a study: ``STUDY``, ``STUDY#KEY`` or ``STUDY#column=value,…``."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from network_prune.errors import ArgumentError
from network_prune.results.comparing.sets import RecordSet, sets_of
from network_prune.results.study import Study

Source = str | PathLike[str] | Study

# Values have commas, too; a condition starts behind one that a column's name follows.
_BETWEEN = re.compile(r",(?=\w+=)")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Sets of one study.

    Attributes:
        sets: those that were chosen, at least one.
        study: the whole study.
    """

    sets: Sequence[RecordSet]
    study: Study

    @property
    def dense(self) -> list[RecordSet]:
        """All dense networks of the study."""
        return [RecordSet(self.study, [each]) for each in self.study if each["variant"] is None]


def read_sets(source: Source, where: Sequence[str], load: Callable[[Path], Study]) -> Chosen:
    """Return the sets that ``source`` names and for which all conditions hold.

    Args:
        source: a study, or its path, behind which ``#`` and a selection may stand.
        where: conditions, as for `Study.where`.
        load: reads a study.

    Raises:
        ArgumentError: a key or column isn't there, a key is that of several, or nothing is left.
        SourceError: the study can't be read.
    """
    if isinstance(source, Study):
        return choose(source, "", where)
    path, selection = _split(str(source))
    return choose(load(path), selection, where)


def choose(study: Study, selection: str, where: Sequence[str] = ()) -> Chosen:
    """Return the sets of a study that a selection names and for which all conditions hold.

    Args:
        study: the study.
        selection: the start of a key, conditions with commas, or nothing for all.
        where: further conditions.

    Raises:
        ArgumentError: a key or column isn't there, a key is that of several, or nothing is left.
    """
    is_key = "=" not in selection
    conditions = [*([] if is_key else _BETWEEN.split(selection)), *where]
    part = study.key(selection) if selection and is_key else study
    part = part.where(*conditions) if conditions else part
    if not part:
        which = f" are chosen by {', '.join(conditions)}" if conditions else ""
        raise ArgumentError(
            f"no records of {study.source}{which}; network-prune records shows what there is"
        )
    return Chosen(sets_of(part), study)


def _split(source: str) -> tuple[Path, str]:
    path, sign, selection = source.rpartition("#")
    is_path = not sign or Path(source).exists()
    return (Path(source), "") if is_path else (Path(path), selection)
