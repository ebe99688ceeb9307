"""``network-prune export``: a pruned network in a file for other programs."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from network_prune.cli.completion import completes
from network_prune.cli.one_variant import (
    GRID,
    ONE,
    PREPROCESSING,
    load_one,
    one_variant,
    pruned_as,
)
from network_prune.cli.output import OUTPUT, Json, check_writable, hand_over, say, waiting
from network_prune.cli.takes import takes
from network_prune.deploy.export.formats import ONNX, PROGRAMS, SUFFIXES, check_target
from network_prune.errors import ArgumentError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from network_prune.evaluation.variant import Variant
    from network_prune.sources.networks.load import LoadedNetwork

To = Annotated[
    str,
    typer.Option(
        help="packed (.safetensors: a bit for each zero, for --arch packed:FILE), safetensors "
        "(plain weights), torch (.pt2: a program of torch.export), onnx (.onnx, needs the extra "
        "[onnx]) or hf (a folder for timm or transformers).",
        rich_help_panel=OUTPUT,
        autocompletion=completes(SUFFIXES),
    ),
]
Out = Annotated[
    Path,
    typer.Option(help="The file, or for hf the new folder, to write.", rich_help_panel=OUTPUT),
]
Remove = Annotated[
    bool,
    typer.Option("--remove", help="Cut silenced neurons out first, as network-prune remove does."),
]
Opset = Annotated[
    int | None,
    typer.Option(help="The version of ONNX's operators.", show_default="the exporter's own", min=1),
]
Dynamic = Annotated[
    bool,
    typer.Option(
        "--dynamic/--no-dynamic",
        help="Let a program take any number of images, or two at a time.",
    ),
]
_DATA = ("data", "data_root", "image_column", "label_column", "first_label", "exif", "limit")
_IMAGES = 32


@takes(
    [*GRID, "with_norm", *_DATA, "cache_dir", *PREPROCESSING],
    one=ONE,
    own_defaults={"p_prune": (0.0,), "limit": _IMAGES},
)
def export_command(
    given: dict[str, Any],
    to: To,
    out: Out,
    remove: Remove = False,
    opset: Opset = None,
    dynamic: Dynamic = True,
    as_json: Json = False,
) -> None:
    """Write a network for other programs, pruned or as it is, and see that it is the same.

    What was written is read back: weights are compared bit by bit, and what a
    program computes on images, noise unless --data says which, up to 1e-4 of the
    greatest output. If it isn't the same, nothing is written.

    Example: network-prune export --arch resnet18 --p-prune 0.5 --to onnx --out resnet18.onnx
    """
    values, variant = one_variant(given, "export")
    target = check_target(out, to)
    check_writable(target if SUFFIXES[to] or not target.exists() else None)
    if opset is not None and to != ONNX:
        raise ArgumentError(f"--opset is for --to onnx, and means nothing for {to}; leave it out")
    if not dynamic and to not in PROGRAMS:
        raise ArgumentError(f"--no-dynamic is for --to torch and onnx, not for {to}; leave it out")
    if given.get("data") is not None and to not in PROGRAMS:
        raise ArgumentError(f"--data is for --to torch and onnx, not for {to}; leave it out")
    network = load_one(values)
    (variant,) = variant.spelt_out(network.model)
    images = _images(values, network) if to in PROGRAMS else None
    with waiting("writing and reading back"):
        from network_prune.deploy.export.export import export

        model, made = _made(network, variant, remove=remove)
        done = export(
            model,
            target,
            to=to,
            network=network,
            images=images,
            made=made,
            opset=opset,
            dynamic=dynamic,
        )
    if as_json:
        hand_over(done.to_dict(), as_json=True, path=None)
        return
    say(f"{network.name}, weights {network.weights}: {_asked(variant)}", *str(done).splitlines())
    say(*(f"warning: {note}" for note in network.notes))


def _made(
    network: "LoadedNetwork", variant: "Variant", *, remove: bool
) -> "tuple[nn.Module, dict[str, Any]]":
    """Return the network under its masks, or without its silenced neurons, and how it was made."""
    from network_prune.deploy.export.made import made_of

    draw = pruned_as(variant, network.model).draw if variant.p_prune else None
    model = _without_neurons(network) if remove else network.model
    stage = "removed" if remove else "pruned" if draw else "dense"
    return model, made_of(stage, network, variant, draw)


def _without_neurons(network: "LoadedNetwork") -> "nn.Module":
    from network_prune.deploy.export.compared import noise_for
    from network_prune.deploy.removal.remove import remove_neurons

    dtype = next(network.model.parameters()).dtype
    example = noise_for(network.preprocessing.shape, dtype)
    return remove_neurons(network.model, example, repeats=0).model


def _images(values: Mapping[str, Any], network: "LoadedNetwork") -> "Tensor | None":
    """Return the images that are named, or those that go with an embedded network."""
    from network_prune.sources.digits.names import NAMES
    from network_prune.sources.inputs import Inputs

    if values["data"] is None and network.arch not in NAMES:
        return None
    import torch

    inputs = Inputs(values, [network.arch])
    data = inputs.load_data(inputs.data, network, network.preprocessing.transform())
    return torch.cat([images for images, _ in data.batches()])


def _asked(variant: "Variant") -> str:
    return f"{variant.method}, p_prune {variant.p_prune_text}, p_bern {variant.p_bern:g}"
