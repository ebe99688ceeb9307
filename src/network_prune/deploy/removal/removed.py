"""A network without its silenced neurons, and what that changed."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from torch import nn

from network_prune.deploy.costs.cost import Cost
from network_prune.deploy.removal.cut import Cut
from network_prune.display.html import html_table
from network_prune.display.text import text_table
from network_prune.plain_text import plain

_TITLES: Final = ("", "before", "after", "before / after")


@dataclass(frozen=True, slots=True, repr=False)
class Removed:
    """A network without its silenced neurons.

    Attributes:
        model: the new network, in eval mode.
        before: what the masked network costs.
        after: what the new one does.
        cut: the layers that lost channels, in the order in which they are called.
        left: why layers that have silenced neurons keep them, by the layer's path.
        difference: the greatest difference of the outputs, as a share of the greatest output.
    """

    model: nn.Module
    before: Cost
    after: Cost
    cut: tuple[Cut, ...]
    left: dict[str, str]
    difference: float

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the network as plain data, for JSON."""
        return {
            "before": asdict(self.before),
            "after": asdict(self.after),
            "cut": [asdict(cut) for cut in self.cut],
            "left": dict(self.left),
            "difference": self.difference,
        }

    @property
    def line(self) -> str:
        """What was removed, on one line."""
        if not self.cut:
            return "nothing to remove: no neuron is silenced whose layer could be cut"
        gone = sum(cut.outputs[0] - cut.outputs[1] for cut in self.cut if not cut.is_norm)
        return (
            f"{gone} neurons removed, {len(self.cut)} layers are smaller; "
            f"outputs differ by {self.difference:.1e} of their size"
        )

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return a table's rows: what, before, after, and how many times as much before."""
        before, after = self.before, self.after
        rows: list[tuple[str, float, float, str]] = [
            ("parameters", before.parameters, after.parameters, "{:,}"),
            ("multiply-adds", before.multiply_adds, after.multiply_adds, "{:,}"),
            ("bytes of the state dict", before.state_bytes, after.state_bytes, "{:,}"),
        ]
        if before.seconds is not None and after.seconds is not None:
            rows.append(("ms a forward", before.seconds * 1e3, after.seconds * 1e3, "{:.2f}"))
        return [
            (name, form.format(old), form.format(new), f"{old / new:.2f}" if new else "–")
            for name, old, new, form in rows
        ]

    def __repr__(self) -> str:
        return plain(f"Removed({type(self.model).__name__}: {self.line})")

    def __str__(self) -> str:
        """Return a table in plain text, with what was left below."""
        table = text_table(_TITLES, self.rows())
        return "\n".join([self.line, table, *map(plain, self._left_lines())])

    def _repr_html_(self) -> str:
        return html_table(_TITLES, self.rows(), caption=self.line, foot=self._left_lines())

    def _left_lines(self) -> list[str]:
        return [f"left: {name}, {why}" for name, why in self.left.items()]
