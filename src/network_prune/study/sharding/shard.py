"""Which of several processes this is: ``I/N``, as said or as the environment has it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from network_prune.errors import ArgumentError, brief

MOST: Final = 100_000
_ARRAY: Final = "SLURM_ARRAY_TASK"


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several shares of a study.

    Attributes:
        number: which one, from 1.
        count: how many there are.
        group: numbers of those that were started together with it, by torchrun; itself too.
    """

    number: int = 1
    count: int = 1
    group: range = range(1, 2)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what ``I/N`` says.

        Raises:
            ArgumentError: there is no such shard.
        """
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        number, count = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= count <= MOST:
            raise ArgumentError(
                f"shard={brief(text)} is no shard; pass I/N with 1 <= I <= N <= {MOST}, e.g. 1/4"
            )
        return cls(number, count, range(number, number + 1))

    @classmethod
    def here(cls, said: str | None, environment: Mapping[str, str]) -> Self:
        """Return what is said, or what Slurm says of an array's task; torchrun divides it again.

        Args:
            said: ``I/N``, if anything.
            environment: the process's variables.

        Raises:
            ArgumentError: there is no such shard.
        """
        known = _Variables(environment)
        base = known.task_of_array() if said is None else cls.parse(said)
        rank, world = known.whole("RANK", 0), known.whole("WORLD_SIZE", 1)
        first = (base.number - 1) * world + 1
        shard = cls.parse(f"{first + rank}/{base.count * world}")
        return cls(shard.number, shard.count, range(first, first + world))

    @property
    def is_first_of_group(self) -> bool:
        """Whether it is the one of its group that shows the study."""
        return self.number == self.group.start

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


class _Variables:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def task_of_array(self) -> Shard:
        tasks = self.whole(f"{_ARRAY}_COUNT", 1)
        if tasks == 1:
            return Shard()
        place = self.whole(f"{_ARRAY}_ID", 0) - self.whole(f"{_ARRAY}_MIN", 0)
        return Shard.parse(f"{place // max(1, self.whole(f'{_ARRAY}_STEP', 1)) + 1}/{tasks}")

    def whole(self, name: str, usual: int) -> int:
        text = self._environment.get(name, str(usual))
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise ArgumentError(
                f"the environment says {name}={brief(text)}, which is no whole number; correct or "
                "unset it, or pass --shard I/N"
            )
        return int(text)
