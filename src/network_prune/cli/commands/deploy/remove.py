"""``network-prune remove``: a pruned network without its silenced neurons, in a file."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from network_prune.cli.one_variant import GRID, ONE, PREPROCESSING, load_one, one_variant
from network_prune.cli.output import OUTPUT, Json, check_writable, hand_over, say
from network_prune.cli.takes import takes
from network_prune.errors import RunError, one_line
from network_prune.whole_file import write_whole

if TYPE_CHECKING:
    from torch import nn

Out = Annotated[
    Path | None,
    typer.Option(
        help="Write the smaller network to this .safetensors file, for --arch packed:FILE.",
        rich_help_panel=OUTPUT,
    ),
]
Repeats = Annotated[
    int, typer.Option(help="How often to time a forward pass; 0 for not at all.", min=0)
]
_NAMES = [name for name in GRID if name not in ("method", "tensors")]


@takes(
    [*_NAMES, "with_norm", "device", "cache_dir", *PREPROCESSING],
    one=[name for name in ONE if name in _NAMES],
)
def remove_command(
    values: dict[str, Any], as_json: Json = False, out: Out = None, repeats: Repeats = 5
) -> None:
    """Prune a network's neurons, cut them out, and show what that saves.

    The smaller network computes what the masked one does; that is checked. It
    is timed on one picture of noise, in turn with the masked one.

    Example: network-prune remove --arch resnet18 --p-prune 0.5 --scope layer --with-norm
    """
    values, variant = one_variant({**values, "method": ("neurons",)}, "remove")
    check_out(out)
    network = load_one(values)

    import torch

    from network_prune.deploy.removal.remove import remove_neurons
    from network_prune.evaluation.device import choose_device
    from network_prune.pruning.masks.prune import prune

    (variant,) = variant.spelt_out(network.model)
    device = choose_device(values["device"])
    model = network.model.to(device)
    noise = torch.Generator().manual_seed(0)
    picture = torch.randn(1, *network.preprocessing.shape, generator=noise)
    example = picture.to(device, next(model.parameters()).dtype)
    with prune(
        model,
        variant.rank(model),
        p_bern=variant.p_bern,
        seed=variant.seed,
        index=variant.index,
        with_norm=values["with_norm"],
    ):
        removed = remove_neurons(model, example, repeats=repeats)
    if out is not None:
        save_packed(removed, out, network=network, made=made_by("removed", variant, values))
    if as_json:
        hand_over(removed.to_dict(), as_json=True, path=None)
        return
    say(f"{network.name}, weights {network.weights}, on {device}", *str(removed).splitlines())
    say(*(f"warning: {note}" for note in network.notes))
