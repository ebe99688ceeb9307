"""``network-prune remove``: a pruned network without its silenced neurons, in a file."""

from pathlib import Path
from typing import Annotated, Any

import typer

from network_prune.cli.one_variant import (
    GRID,
    ONE,
    PREPROCESSING,
    load_one,
    one_variant,
    pruned_as,
)
from network_prune.cli.output import OUTPUT, Json, check_writable, hand_over, say
from network_prune.cli.takes import takes
from network_prune.deploy.export.formats import PACKED, check_target

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
    check_writable(None if out is None else check_target(out, PACKED))
    network = load_one(values)

    import torch

    from network_prune.deploy.export.made import made_of
    from network_prune.deploy.export.packed import save_packed
    from network_prune.deploy.removal.remove import remove_neurons
    from network_prune.evaluation.device import choose_device

    (variant,) = variant.spelt_out(network.model)
    device = choose_device(values["device"])
    model = network.model.to(device)
    noise = torch.Generator().manual_seed(0)
    picture = torch.randn(1, *network.preprocessing.shape, generator=noise)
    example = picture.to(device, next(model.parameters()).dtype)
    with pruned_as(variant, model) as pruned:
        removed = remove_neurons(model, example, repeats=repeats)
    if out is not None:
        made = made_of("removed", network, variant, pruned.draw)
        save_packed(removed, out, network=network, made=made)
    if as_json:
        hand_over(removed.to_dict(), as_json=True, path=None)
        return
    say(f"{network.name}, weights {network.weights}, on {device}", *str(removed).splitlines())
    say(*(f"warning: {note}" for note in network.notes))
