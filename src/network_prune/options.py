"""Every option of a study, declared once: command line, plans, Python and records read it here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from network_prune.by_layer import ByLayer
from network_prune.errors import ArgumentError, check_choice, check_fraction
from network_prune.option_checks import (
    OneOf,
    SomeOf,
    flag,
    number,
    one_of,
    split_names,
    text,
    whole,
)

NETWORK, DATA, PRUNING, RUNNING = "Network", "Data", "Pruning", "Running"

# What is pruned, as commands and records call it, and one of it, as Python does; both take both.
METHODS: Final = {"connections": "connection", "neurons": "neuron", "weights": "weight"}
PLURALS: Final = {one: several for several, one in METHODS.items()}
SCOPES: Final = ("global", "layer", "alone")
SCORES: Final = ("l1", "l2", "mean-l1", "lamp", "taylor", "gradient", "random")
LEARNED: Final = ("taylor", "gradient")
# The names on a command line of layer types in torch.nn; a norm's kin come along.
LAYERS: Final = {
    "conv1d": "Conv1d",
    "conv2d": "Conv2d",
    "conv3d": "Conv3d",
    "convtranspose1d": "ConvTranspose1d",
    "convtranspose2d": "ConvTranspose2d",
    "convtranspose3d": "ConvTranspose3d",
    "linear": "Linear",
    "batchnorm1d": "BatchNorm1d",
    "batchnorm2d": "BatchNorm2d",
    "batchnorm3d": "BatchNorm3d",
    "syncbatchnorm": "SyncBatchNorm",
    "instancenorm1d": "InstanceNorm1d",
    "instancenorm2d": "InstanceNorm2d",
    "instancenorm3d": "InstanceNorm3d",
    "layernorm": "LayerNorm",
    "groupnorm": "GroupNorm",
    "rmsnorm": "RMSNorm",
}
# Names for several of them.
LAYER_GROUPS: Final = {
    "conv": ("conv1d", "conv2d", "conv3d"),
    "norm": tuple(name for name in LAYERS if "norm" in name),
}
TENSORS: Final = ("weight", "bias")
EXIF: Final = ("source", "turn", "ignore")
ORDERS: Final = ("data", "text")
PRECISIONS: Final = ("bfloat16", "float16")
# The letters of the options that have one, which are the same in every command.
LETTERS: Final = {
    "arch": "a",
    "p_bern": "b",
    "data": "d",
    "limit": "l",
    "method": "m",
    "draws": "n",
    "out": "o",
    "p_prune": "p",
    "quiet": "q",
    "seed": "s",
    "verbose": "v",
    "weights": "w",
}
MOST_VARIANTS: Final = 100_000
MOST_WORKERS: Final = 1024


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a study.

    Attributes:
        panel: the part of the help that it stands in.
        help: what it does.
        kind: type of one value on the command line; numbers with commas for ``tuple``.
        check: takes the option's name and one value, returns the value or raises.
        default: what it is if nothing is said, for an option of many values a tuple.
        many: whether it takes several values, which span a grid.
        decides: whether it changes how a network is computed, and so the figures.
        shown: how the help shows the default, None for the default itself.
    """

    panel: str
    help: str
    kind: type
    check: Callable[[str, Any], Any]
    default: Any = None
    many: bool = False
    decides: bool = False
    shown: str | None = None

    def read(self, name: str, value: Any) -> Any:
        """Return the checked value, for an option that takes several a tuple.

        Raises:
            ArgumentError: a value isn't allowed.
        """
        if not self.many:
            if isinstance(value, list | tuple):
                raise ArgumentError(f"{name} has a list of values; it takes one")
            return self.check(name, value)
        values: Any = value if isinstance(value, list | tuple) else [value]
        if not values:
            raise ArgumentError(f"{name} has no values; pass one or more, or leave it out")
        return tuple(self.check(name, item) for item in values)


def read_options(values: Mapping[str, Any], options: Mapping[str, Option]) -> dict[str, Any]:
    """Return ``values`` checked, without those that are None.

    Raises:
        ArgumentError: a name is unknown or a value isn't allowed.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        check_choice("key", name, options)
        if value is not None:
            found[name] = options[name].read(name, value)
    return found


def check_options(**values: Any) -> list[Any]:
    """Return each option's value as it is recorded, None for None.

    Raises:
        ArgumentError: a value isn't allowed.
    """
    found = read_options(values, OPTIONS)
    return [found.get(name) for name in values]


def _fraction_or_fractions(name: str, value: Any) -> float | ByLayer:
    if isinstance(value, ByLayer):
        return value
    return ByLayer(value) if isinstance(value, Mapping) else check_fraction(name, value)


def layer_types(layers: str) -> list[str]:
    """Return the names in torch.nn of the layer types that ``layers`` names, each once."""
    names = (LAYER_GROUPS.get(name, (name,)) for name in split_names(layers))
    return list(dict.fromkeys(LAYERS[name] for group in names for name in group))


GRID_OPTIONS: Mapping[str, Option] = {
    "arch": Option(
        NETWORK,
        "digits, digits-plain, digits-attention, digits-mixer (embedded), a torchvision name "
        "such as resnet18, timm:NAME, hf:ORG/NAME[@REVISION] or hf:FOLDER (transformers), "
        "packed:FILE (what export, remove and save_packed write), or one that runs the code it "
        "names: hub:OWNER/REPO[:REF]:ENTRY or hub:FOLDER:ENTRY (torch.hub), FILE.py:CALLABLE, "
        "PACKAGE.MODULE:CALLABLE. network-prune list shows the names. Where several networks may "
        "be named, names may have wildcards, quoted: "
        "'resnet*', 'timm:convnext_atto*'.",
        str,
        text,
        ("digits",),
        many=True,
        shown="digits, the embedded network",
    ),
    "weights": Option(
        NETWORK,
        "default (IMAGENET1K_V1 where torchvision has it), none (random), a weights name such as "
        "IMAGENET1K_V2, or a safetensors or torch FILE; FILE:KEY takes what stands under a key of "
        "a checkpoint, e.g. run.pth:state_dict_ema.",
        str,
        text,
        "default",
    ),
    "method": Option(
        PRUNING,
        "What is ranked and pruned: connections (kernels), neurons (filters) or weights (single "
        "ones, as in the paper).",
        str,
        one_of("method", METHODS, also=PLURALS),
        ("connections",),
        many=True,
    ),
    "p_prune": Option(
        PRUNING,
        "Fraction in [0, 1] of all elements, the lowest-scored, that is prunable.",
        float,
        _fraction_or_fractions,
        (0.2,),
        many=True,
    ),
    "p_prune_file": Option(
        PRUNING,
        "Instead of --p-prune or beside it, a YAML file of fractions by layer path or pattern "
        "('layer4.*: 0.5'; '*' for all others), as sensitivity --targets writes, or such a mapping "
        "itself in braces. Each layer is ranked for itself.",
        str,
        text,
        (),
        many=True,
    ),
    "floor": Option(
        PRUNING,
        "Fraction in [0, 1] of each layer's elements that is never prunable; where that spares "
        "some, the next lowest of other layers take their places.",
        float,
        check_fraction,
        0.0,
    ),
    "p_bern": Option(
        PRUNING,
        "Probability in [0, 1] that a prunable element is pruned.",
        float,
        check_fraction,
        (1.0,),
        many=True,
    ),
    "draws": Option(
        PRUNING,
        "Evaluate this many draws of each prunable set.",
        int,
        whole(1, MOST_VARIANTS),
        1,
    ),
    "score": Option(
        PRUNING,
        "How elements are ranked: l1, l2, mean-l1, lamp, random or random:SEED, or by images: "
        "taylor or gradient.",
        str,
        OneOf("score", SCORES, is_open=True),
        ("l1",),
        many=True,
    ),
    "scope": Option(
        PRUNING,
        "Rank all layers together (global), each for itself (layer), or prune one layer at a time "
        "(alone), a variant for each.",
        str,
        one_of("scope", SCOPES),
        ("global",),
        many=True,
    ),
    "layers": Option(
        PRUNING,
        "Layer types to rank, with commas: conv1d, conv2d, conv3d or conv for these, "
        "convtranspose1d, convtranspose2d, convtranspose3d, linear (attention's projections too), "
        "batchnorm1d, batchnorm2d, batchnorm3d, syncbatchnorm, instancenorm1d, instancenorm2d, "
        "instancenorm3d, layernorm, groupnorm, rmsnorm or norm for all of them.",
        str,
        SomeOf("layer type", (*LAYERS, *LAYER_GROUPS)),
        "conv2d",
    ),
    "tensors": Option(
        PRUNING,
        "What of these layers to rank, with commas: weight, bias. A bias such as that of fc is a "
        "layer of its own, fc.bias.",
        str,
        SomeOf("tensor", TENSORS),
        "weight",
    ),
    "include": Option(
        PRUNING,
        "Rank only layers whose path matches, e.g. 'layer4.*'.",
        str,
        text,
        (),
        many=True,
    ),
    "exclude": Option(PRUNING, "Leave out layers whose path matches.", str, text, (), many=True),
    "with_norm": Option(
        PRUNING,
        "Prune a neuron's bias and BatchNorm with it, so that it sends out zeros.",
        bool,
        flag,
        False,
    ),
    "recalibrate": Option(
        PRUNING,
        "Estimate the BatchNorms' statistics anew in each pruned network, on this many of the "
        "evaluated images, spread over the data; labels aren't looked at. The dense network keeps "
        "its own.",
        int,
        whole(1),
        shown="none: the dense network's statistics",
    ),
    "seed": Option(PRUNING, "Names the draws.", int, whole(0), 0),
    "index": Option(PRUNING, "Which draw of the seed; the first of --draws.", int, whole(0), 0),
}
STUDY_OPTIONS: Mapping[str, Option] = {
    "cache_dir": Option(
        NETWORK,
        "Folder to look for published weights and data in and to download them to, instead of the "
        "libraries' own: torchvision's files in torch/checkpoints in it, the hub's in "
        "huggingface/hub, hf: data in huggingface/datasets.",
        str,
        text,
    ),
    "data": Option(
        DATA,
        "digits (embedded), a FOLDER of class folders or with val/ in it, ImageNet's flat "
        "validation folder, a manifest .csv, .tsv or .parquet with image and label columns (the "
        "ImageNet-compatible images.csv too), an .npz, torchvision:NAME[:FOLDER], "
        "hf:NAME_OR_FOLDER[:SPLIT], .tar shards, or fake:N.",
        str,
        text,
        shown="digits, for the embedded networks",
    ),
    "data_root": Option(
        DATA, "Folder that a manifest's paths or torchvision's data lie in.", str, text
    ),
    "image_column": Option(DATA, "The column of images in a manifest or hf: data.", str, text),
    "label_column": Option(DATA, "The column of labels in a manifest or hf: data.", str, text),
    "exif": Option(
        DATA,
        "Turn images as their EXIF orientation says (turn), don't (ignore), or do as the library "
        "that such data come from (source): datasets turns hf: data, torchvision neither folders "
        "(nor we manifests) nor its own data sets, webdataset no shards.",
        str,
        one_of("exif", EXIF),
        "source",
    ),
    "limit": Option(DATA, "Evaluate only this many images, spread over the data.", int, whole(1)),
    "first_label": Option(
        DATA,
        "What a manifest or folders call the network's first output; 0 by default, 1 for the "
        "ImageNet-compatible set; -1 where labels start at 0 and the network at its background.",
        int,
        whole(-1),
    ),
    "class_order": Option(
        DATA,
        "data: the data's classes stand for the network's outputs in their order, whatever both "
        "are called; text: in the order of their names as text, as in torchvision's ImageFolder "
        "(0, 1, 10, 2).",
        str,
        one_of("class_order", ORDERS),
        shown="by name where both have names",
    ),
    "only_data_classes": Option(
        DATA,
        "Leave outputs that the data has no class for out of the running, as for ImageNet-A and "
        "-R.",
        bool,
        flag,
        False,
    ),
    "skip_unreadable": Option(
        DATA,
        "Leave out images that can't be read, and count them, instead of stopping.",
        bool,
        flag,
        False,
    ),
    "score_data": Option(
        PRUNING,
        "The images that taylor and gradient are computed on, named as for --data, whose column, "
        "folder and label options hold for data of the same form; training images, for example.",
        str,
        text,
        shown="the evaluation data",
    ),
    "score_images": Option(
        PRUNING,
        "How many images the score takes, spread over its data.",
        int,
        whole(1),
        shown="256",
    ),
    "resize": Option(DATA, "Pixels of the shorter side; default from the weights.", int, whole(1)),
    "crop": Option(DATA, "Pixels of the centre crop; default from the weights.", int, whole(1)),
    "interpolation": Option(
        DATA, "bilinear, bicubic, nearest, …; default from the weights.", str, text
    ),
    "mean": Option(
        DATA,
        "Channel means with commas, three for colour or one for grey; default from the weights.",
        tuple,
        number,
        many=True,
    ),
    "std": Option(
        DATA,
        "Channel standard deviations with commas; default from the weights.",
        tuple,
        number,
        many=True,
    ),
    "batch_size": Option(RUNNING, "Images a batch.", int, whole(1), 64, decides=True),
    "workers": Option(
        RUNNING,
        f"Processes that decode images, up to {MOST_WORKERS}.",
        int,
        whole(0, MOST_WORKERS),
        shown="one a core for image files",
    ),
    "device": Option(
        RUNNING,
        "auto (cuda, then mps, then cpu) or a PyTorch device such as cuda:1.",
        str,
        text,
        "auto",
        decides=True,
    ),
    "amp": Option(
        RUNNING,
        "Compute in mixed precision. Rounding makes outputs equal now and then; the lower class "
        "is taken first then, and such images are counted (ties in JSON).",
        bool,
        flag,
        False,
        decides=True,
    ),
    "amp_dtype": Option(
        RUNNING,
        "bfloat16 or float16, for --amp.",
        str,
        one_of("amp_dtype", PRECISIONS),
        "bfloat16",
    ),
    "channels_last": Option(
        RUNNING,
        "Lay out memory with the channels last, which is faster for convolutions.",
        bool,
        flag,
        True,
        decides=True,
    ),
    "fold": Option(
        RUNNING,
        "Fold BatchNorms into the convolutions before them, which changes the outputs' rounding; "
        "never under --amp.",
        bool,
        flag,
        True,
        decides=True,
    ),
    "compile": Option(
        RUNNING, "Compile the network by torch.compile.", bool, flag, False, decides=True
    ),
    "dtype": Option(
        RUNNING,
        "bfloat16 or float16: cast the network to it; not along with --amp, whose word on equal "
        "outputs holds here too.",
        str,
        one_of("dtype", PRECISIONS),
        decides=True,
        shown="the network's own",
    ),
    "outcomes": Option(
        RUNNING,
        "Keep with each record which images are right, two bits each, in the study's folder or the "
        "file of --output: compare and report need them.",
        bool,
        flag,
        True,
    ),
    "dense": Option(
        RUNNING,
        "Evaluate the dense network too, and the differences to it, which computes each image once "
        "more.",
        bool,
        flag,
        True,
    ),
}
OPTIONS: Mapping[str, Option] = {**GRID_OPTIONS, **STUDY_OPTIONS}
DECIDING = tuple(name for name, option in OPTIONS.items() if option.decides)


def defaults(options: Mapping[str, Option]) -> dict[str, Any]:
    """Return each option's default."""
    return {name: option.default for name, option in options.items()}
