"""The options of retraining, declared once: command line and Python read them here."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from network_prune.errors import ArgumentError, brief, check_fraction
from network_prune.option_checks import flag, one_of, text, whole
from network_prune.options import DATA, OPTIONS, RUNNING, Option
from network_prune.plain_numbers import plain_number

TRAINING: Final = "Retraining"
SCHEDULES: Final = ("oneshot", "linear", "cubic")
DECAYS: Final = ("cosine", "none")
OPTIMIZERS: Final = {"sgd": 0.01, "adamw": 0.001}
AUGMENTS: Final = ("auto", "crop", "none")
ROUNDS: Final = 4
# Options of a study that mean the same here.
_NETWORK: Final = ("arch", "weights", "cache_dir")
_SHARED: Final = (
    "data_root",
    "image_column",
    "label_column",
    "first_label",
    "class_order",
    "exif",
    "skip_unreadable",
    "method",
    "p_prune",
    "p_prune_file",
    "floor",
    "p_bern",
    "score",
    "scope",
    "layers",
    "tensors",
    "include",
    "exclude",
    "with_norm",
    "index",
    "resize",
    "crop",
    "interpolation",
    "mean",
    "std",
    "batch_size",
    "workers",
    "device",
    "amp",
    "amp_dtype",
)


def _number_in(low: float, high: float, example: str) -> Callable[[str, Any], float]:
    """Return a check for numbers in [low, high)."""

    def check(name: str, value: Any) -> float:
        number = plain_number(value)
        if number is None or not low <= number < high:
            raise ArgumentError(
                f"{name}={brief(value)} is outside [{low:g}, {high:g}); pass e.g. {example}"
            )
        return float(number)

    return check


def _above_0(name: str, value: Any) -> float:
    number = plain_number(value)
    if number is None or not 0 < number < 1e30:
        raise ArgumentError(f"{name}={brief(value)} is no number above 0; pass e.g. 0.01")
    return float(number)


def _share(name: str, value: Any) -> float:
    share = check_fraction(name, value)
    if not 0 < share < 1:
        raise ArgumentError(f"{name}={brief(value)} splits nothing; pass e.g. 0.1")
    return share


_IMAGES: Final[Mapping[str, Option]] = {
    "data": Option(
        DATA,
        "The images to train on, named as for eval: a FOLDER of class folders, a manifest, an "
        ".npz, torchvision:NAME, hf:NAME:SPLIT, .tar shards, or digits:train (embedded).",
        str,
        text,
        shown="digits:train, for the embedded networks",
    ),
    "validation": Option(
        DATA,
        "The images that the best epoch of the last round is chosen by, named as --data.",
        str,
        text,
        shown="a part of --data",
    ),
    "val_split": Option(
        DATA,
        "Without --validation, the share of --data that is kept out of training for it.",
        float,
        _share,
        0.1,
    ),
    "test": Option(
        DATA,
        "The images that the figures are of, seen by no choice, named as --data.",
        str,
        text,
        shown="digits for the embedded networks, else those of --validation",
    ),
    "limit": Option(DATA, "Train on only this many images, spread over the data.", int, whole(1)),
    "augment": Option(
        DATA,
        "crop: cut a random part of each picture and mirror it at random, as for photographs; "
        "none; auto is none for the embedded digits and crop for all others.",
        str,
        one_of("augment", AUGMENTS),
        "auto",
    ),
}
_TRAINING: Final[Mapping[str, Option]] = {
    "schedule": Option(
        TRAINING,
        "How p_prune rises to its last value: at once (oneshot), in equal steps (linear), or in "
        "steps that get smaller (cubic, arXiv 1710.01878).",
        str,
        one_of("schedule", SCHEDULES),
        "oneshot",
    ),
    "rounds": Option(
        TRAINING,
        "How often it is pruned, and then trained.",
        int,
        whole(1, 1000),
        shown=f"1 for oneshot, {ROUNDS} for the others",
    ),
    "epochs": Option(
        TRAINING, "How often all images are seen in each round.", int, whole(1, 100_000), 10
    ),
    "optimizer": Option(TRAINING, "sgd or adamw.", str, one_of("optimizer", OPTIMIZERS), "sgd"),
    "lr": Option(
        TRAINING,
        "Learning rate at the start of each round.",
        float,
        _above_0,
        shown=", ".join(f"{rate:g} for {name}" for name, rate in OPTIMIZERS.items()),
    ),
    "decay": Option(
        TRAINING,
        "How the learning rate falls within a round, epoch by epoch: cosine or none.",
        str,
        one_of("decay", DECAYS),
        "cosine",
    ),
    "momentum": Option(
        TRAINING, "Momentum of sgd, in [0, 1).", float, _number_in(0, 1, "0.9"), 0.9
    ),
    "weight_decay": Option(
        TRAINING, "Weight decay of the optimizer.", float, _number_in(0, 1e30, "0.0001"), 1e-4
    ),
    "distill": Option(
        TRAINING,
        "Learn the dense network's outputs instead of the labels, which aren't looked at "
        "(arXiv 1503.02531).",
        bool,
        flag,
        False,
    ),
    "temperature": Option(
        TRAINING, "What the logits are divided by for --distill.", float, _above_0, 4.0
    ),
    "seed": Option(
        TRAINING,
        "Names the draw, the order of the images, and what dropout and augmentation draw.",
        int,
        whole(0),
        0,
    ),
    "checkpoint_steps": Option(
        RUNNING,
        "Write the checkpoint after every so many steps too, not only after each epoch.",
        int,
        whole(1),
    ),
}
RETRAINING: Final[Mapping[str, Option]] = {
    **{name: OPTIONS[name] for name in _NETWORK},
    **_IMAGES,
    **{name: OPTIONS[name] for name in _SHARED},
    **_TRAINING,
}


def check_retraining(**values: Any) -> list[Any]:
    """Return each option's value checked, and its default for None.

    Raises:
        ArgumentError: a value isn't allowed.
    """
    return [
        RETRAINING[name].default if value is None else RETRAINING[name].read(name, value)
        for name, value in values.items()
    ]
