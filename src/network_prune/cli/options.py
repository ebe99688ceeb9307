"""Options that several commands share, with the words of their help."""

from pathlib import Path
from typing import Annotated, Any

import typer

NETWORK, DATA, PRUNING, RUNNING, OUTPUT = "Network", "Data", "Pruning", "Running", "Output"

NAMES = (
    "digits (embedded), a torchvision name such as resnet18, timm:NAME, hf:ORG/NAME[@REVISION] or "
    "hf:FOLDER (transformers), or one that runs the code it names: hub:OWNER/REPO[:REF]:ENTRY or "
    "hub:FOLDER:ENTRY (torch.hub), FILE.py:CALLABLE, PACKAGE.MODULE:CALLABLE."
)
Arch = Annotated[
    str,
    typer.Option(
        help=NAMES + " network-prune list shows the names.",
        rich_help_panel=NETWORK,
    ),
]
Archs = Annotated[
    list[str] | None,
    typer.Option(
        help=NAMES + " May be repeated, and names may have wildcards, quoted: 'resnet*', "
        "'timm:convnext_atto*'. network-prune list shows the names.",
        show_default="digits, the embedded network",
        rich_help_panel=NETWORK,
    ),
]
Weights = Annotated[
    str,
    typer.Option(
        help="default (IMAGENET1K_V1 where torchvision has it), none (random), a weights "
        "name such as IMAGENET1K_V2, or a safetensors or torch FILE.",
        rich_help_panel=NETWORK,
    ),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder to look for published weights and data in and to download them to, instead "
        "of the libraries' own: torchvision's files in torch/checkpoints in it, the hub's in "
        "huggingface/hub, hf: data in huggingface/datasets.",
        rich_help_panel=NETWORK,
    ),
]
Method = Annotated[
    str,
    typer.Option(
        help="What is ranked and pruned: connections (kernels), neurons (filters) or weights "
        "(single ones, as in the paper).",
        rich_help_panel=PRUNING,
    ),
]
PPrune = Annotated[
    float,
    typer.Option(
        help="Fraction in [0, 1] of all elements, the lowest-scored, that is prunable.",
        rich_help_panel=PRUNING,
    ),
]
PBern = Annotated[
    float,
    typer.Option(
        help="Probability in [0, 1] that a prunable element is pruned.", rich_help_panel=PRUNING
    ),
]
Score = Annotated[
    str,
    typer.Option(
        help="How elements are ranked: l1, l2, mean-l1, lamp, random or random:SEED; by eval "
        "and sweep also taylor or gradient, which are computed on images.",
        rich_help_panel=PRUNING,
    ),
]
ScoreData = Annotated[
    str | None,
    typer.Option(
        help="The images that taylor and gradient are computed on, named as for --data, whose "
        "column, folder and label options hold for data of the same form; training images, for "
        "example.",
        show_default="the evaluation data",
        rich_help_panel=PRUNING,
    ),
]
ScoreImages = Annotated[
    int | None,
    typer.Option(
        help="How many images the score takes, spread over its data.",
        show_default="256",
        rich_help_panel=PRUNING,
    ),
]
Scope = Annotated[
    str,
    typer.Option(
        help="Rank all layers together (global) or each for itself (layer).",
        rich_help_panel=PRUNING,
    ),
]
Layers = Annotated[
    str,
    typer.Option(
        help="Layer types to rank, with commas: conv1d, conv2d, conv3d, convtranspose1d, "
        "convtranspose2d, convtranspose3d, linear (attention's projections too).",
        rich_help_panel=PRUNING,
    ),
]
Include = Annotated[
    list[str] | None,
    typer.Option(
        help="Rank only layers whose path matches, e.g. 'layer4.*'; may be repeated.",
        rich_help_panel=PRUNING,
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        help="Leave out layers whose path matches; may be repeated.", rich_help_panel=PRUNING
    ),
]
Seed = Annotated[int, typer.Option(help="Names the draws.", rich_help_panel=PRUNING)]
Index = Annotated[
    int, typer.Option(help="Which draw of the seed; the first of --draws.", rich_help_panel=PRUNING)
]
OneIndex = Annotated[int, typer.Option(help="Which draw of the seed.", rich_help_panel=PRUNING)]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON instead of text.", rich_help_panel=OUTPUT)
]
Data = Annotated[
    str | None,
    typer.Option(
        help="digits (embedded), a FOLDER of class folders or with val/ in it, ImageNet's flat "
        "validation folder, a manifest .csv, .tsv or .parquet with image and label columns (the "
        "ImageNet-compatible images.csv too), an .npz, torchvision:NAME[:FOLDER], "
        "hf:NAME_OR_FOLDER[:SPLIT], .tar shards, or fake:N. Default for the embedded network: "
        "digits.",
        rich_help_panel=DATA,
    ),
]
DataRoot = Annotated[
    str | None,
    typer.Option(
        help="Folder that a manifest's paths or torchvision's data lie in.", rich_help_panel=DATA
    ),
]
ImageColumn = Annotated[
    str | None,
    typer.Option(help="The column of images in a manifest or hf: data.", rich_help_panel=DATA),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(help="The column of labels in a manifest or hf: data.", rich_help_panel=DATA),
]
Limit = Annotated[
    int | None,
    typer.Option(
        help="Evaluate only this many images, spread over the data.", rich_help_panel=DATA
    ),
]
FirstLabel = Annotated[
    int | None,
    typer.Option(
        help="The manifest's number for the first class; 0 by default, 1 for the "
        "ImageNet-compatible set.",
        rich_help_panel=DATA,
    ),
]
SkipUnreadable = Annotated[
    bool,
    typer.Option(
        "--skip-unreadable",
        help="Leave out images that can't be read, and count them, instead of stopping.",
        rich_help_panel=DATA,
    ),
]
Resize = Annotated[
    int | None,
    typer.Option(
        help="Pixels of the shorter side; default from the weights.", rich_help_panel=DATA
    ),
]
Crop = Annotated[
    int | None,
    typer.Option(help="Pixels of the centre crop; default from the weights.", rich_help_panel=DATA),
]
Interpolation = Annotated[
    str | None,
    typer.Option(
        help="bilinear, bicubic, nearest, …; default from the weights.",
        rich_help_panel=DATA,
    ),
]
Mean = Annotated[
    str | None,
    typer.Option(help="Channel means with commas; default from the weights.", rich_help_panel=DATA),
]
Std = Annotated[
    str | None,
    typer.Option(
        help="Channel standard deviations with commas; default from the weights.",
        rich_help_panel=DATA,
    ),
]
Draws = Annotated[
    int,
    typer.Option(
        help="Evaluate this many draws and give mean ± standard deviation.",
        rich_help_panel=PRUNING,
    ),
]
WithNorm = Annotated[
    bool,
    typer.Option(
        "--with-norm",
        help="Prune a neuron's bias and BatchNorm with it, so that it sends out zeros.",
        rich_help_panel=PRUNING,
    ),
]
BatchSize = Annotated[int, typer.Option(help="Images a batch.", rich_help_panel=RUNNING)]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Processes that decode images; default: one a core for image files.",
        rich_help_panel=RUNNING,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        help="auto (cuda, then mps, then cpu) or a PyTorch device such as cuda:1.",
        rich_help_panel=RUNNING,
    ),
]
Amp = Annotated[
    bool,
    typer.Option("--amp", help="Compute in mixed precision.", rich_help_panel=RUNNING),
]
AmpDtype = Annotated[
    str, typer.Option(help="bfloat16 or float16, for --amp.", rich_help_panel=RUNNING)
]
ChannelsLast = Annotated[
    bool,
    typer.Option(
        help="Lay out memory with the channels last, which is faster for convolutions.",
        rich_help_panel=RUNNING,
    ),
]
Fold = Annotated[
    bool,
    typer.Option(
        help="Fold BatchNorms into the convolutions before them, which changes the outputs' "
        "rounding.",
        rich_help_panel=RUNNING,
    ),
]
Compile = Annotated[
    bool,
    typer.Option(
        "--compile", help="Compile the network by torch.compile.", rich_help_panel=RUNNING
    ),
]
Dtype = Annotated[
    str | None,
    typer.Option(
        help="bfloat16 or float16: cast the network to it; not along with --amp.",
        show_default="the network's own",
        rich_help_panel=RUNNING,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(help="Write the JSON to this file as well.", rich_help_panel=OUTPUT),
]


def option(name: str) -> Any:
    """Return the option called ``name``, with underscores, that stands above."""
    return globals()["".join(part.title() for part in name.split("_"))]
