"""What was written of a network, and how it was seen to be the same."""

from dataclasses import asdict, dataclass
from typing import Any

from network_prune.plain_text import plain


@dataclass(frozen=True, slots=True)
class Exported:
    """A network in a file or folder, which was read back.

    Attributes:
        path: where it is.
        to: the format.
        bytes: how many it takes.
        dense_bytes: how many the tensors of the network's state dict take, zeros and silenced
            neurons in full.
        check: how what was written was seen to be the same.
        difference: the greatest difference of the outputs, as a share of the greatest output; 0
            where the weights are the same bits.
    """

    path: str
    to: str
    bytes: int
    dense_bytes: int
    check: str
    difference: float

    @property
    def ratio(self) -> float:
        """The bytes as a share of the dense ones."""
        return self.bytes / self.dense_bytes if self.dense_bytes else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, for JSON."""
        return {**asdict(self), "ratio": self.ratio}

    def __str__(self) -> str:
        """Return a table in plain text."""
        rows = (
            ("written", self.path),
            ("format", self.to),
            ("bytes", f"{self.bytes:,}"),
            ("dense bytes", f"{self.dense_bytes:,}"),
            ("ratio", f"{self.ratio:.3f}"),
            ("read back", self.check),
        )
        return "\n".join(f"{name:<12} {plain(value)}" for name, value in rows)
