"""Another library's attack on a batch, driven by the same surrogates as our own."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from network_prune.core.streams import stream_key
from network_prune.errors import ArgumentError
from network_prune.results.records import Record
from network_prune.transfer.attack.iteration import Compute, Source
from network_prune.transfer.peers import PREFIX, torchattack_attack
from network_prune.transfer.plan import Row


class PeerModel(nn.Module):
    """A surrogate as a network that others call: under a draw of its own each time.

    Under several draws an iteration their logits are averaged.

    Args:
        source: what computes logits.
        first: position of the batch's first image, which names its draws.

    Attributes:
        images: how many images were computed so far, each counted once a draw.
    """

    def __init__(self, source: Source, first: int) -> None:
        super().__init__()
        self.images = 0
        self._source = source
        self._number = first << 32

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits ``[n, classes]`` for pixels ``[n, C, S, S]``."""
        logits = [compute(pixels) for compute in self._source.draws(self._number, _no_aim)]
        self._number += 1
        self.images += len(pixels) * len(logits)
        return torch.stack(logits).mean(dim=0)


def run_peer(
    row: Row, source: Source, images: Tensor, classes: Tensor, *, outputs: int, first: int
) -> tuple[Tensor, int]:
    """Return the images at the attack's end, and the passes of images that it took.

    Args:
        row: names the attack and its settings.
        source: what gradients come from.
        images: float32 ``[n, C, S, S]`` in [0, 1].
        classes: int64 ``[n]``: the targets, or the true classes of an untargeted attack.
        outputs: number of the networks' classes.
        first: position of the batch's first image among all.

    Raises:
        NetworkPruneError: there is no such attack, or it doesn't take such networks.
    """
    model = PeerModel(source, first)
    attack = torchattack_attack(
        row.by.removeprefix(PREFIX), model, row.attack, steps=row.iterations, classes=outputs
    )
    made = attack(images, classes, stream_key(row.seed, first))
    return made, model.images


def peer_notes(rows: Iterable[tuple[Row, Record]]) -> Iterator[str]:
    """Yield of which rows other passes were counted than were planned.

    Args:
        rows: each with its record.
    """
    for row, record in rows:
        if row.by.startswith(PREFIX) and record["passes"] != row.passes:
            yield (
                f"{row.by} took {record['passes']} passes where {row.passes} were planned: its "
                f"{row.iterations} steps were set as if each took {row.passes_per_iteration}"
            )


def check_peer(row: Row, outputs: int) -> None:
    """Find out whether a row's attack is there and takes its surrogates.

    Raises:
        NetworkPruneError: it isn't, or doesn't.
    """
    if row.augmentation.name == "mup":
        raise ArgumentError(
            f"mup looks at the gradient of our own attack, not of {row.by}; leave it out of "
            "--augmentation, or pass --attack own"
        )
    torchattack_attack(
        row.by.removeprefix(PREFIX),
        nn.Identity(),
        row.attack,
        steps=row.iterations,
        classes=outputs,
    )


def _no_aim(_: Compute) -> Tensor:
    raise AssertionError("such augmentations were refused")
