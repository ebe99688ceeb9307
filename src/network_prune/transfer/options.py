"""The options of a transfer run, declared once: command line, Python and records read it here."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from network_prune.errors import check_fraction
from network_prune.option_checks import one_of, text, whole
from network_prune.options import DATA, NETWORK, OPTIONS, RUNNING, Option
from network_prune.transfer.attack.settings import (
    PRESETS,
    Goal,
    Loss,
    check_kernel,
    check_momentum,
    check_scale,
    read_share,
)
from network_prune.transfer.augmentations.augmentation import DEFAULTS, Augmentation

ATTACK, AUGMENTATIONS = "Attack", "Augmentations"
# Options of a study that mean the same here.
_SHARED: Final = (
    "cache_dir",
    "data",
    "data_root",
    "image_column",
    "label_column",
    "first_label",
    "limit",
    "device",
)


def _augmentation(name: str, value: Any) -> str:
    return str(Augmentation.parse(text(name, value)))


_OWN: Mapping[str, Option] = {
    "surrogate": Option(
        NETWORK,
        "Network that images are made on, NAME or NAME=WEIGHTS, as --arch and --weights take them; "
        "several joined by + have their logits averaged.",
        str,
        text,
        ("digits",),
        many=True,
        shown="the embedded ones",
    ),
    "victim": Option(
        NETWORK,
        "Network that images are tried on, named like a surrogate.",
        str,
        text,
        (),
        many=True,
        shown="all networks named as surrogates",
    ),
    "bound": Option(
        NETWORK,
        "Networks beside the surrogate whose logits are averaged with its own in one more row: an "
        "ensemble of true networks, as an upper bound.",
        str,
        text,
        (),
        many=True,
    ),
    "target_column": Option(
        DATA,
        "The column of target labels in a manifest.",
        str,
        text,
        shown="one that is called as in TransferAttack's or the ImageNet-compatible set's",
    ),
    "target_seed": Option(
        DATA, "Names the random targets of images that have none.", int, whole(0), 0
    ),
    "image_size": Option(
        DATA,
        "Side in pixels that images are resized to; networks that take another size resize them.",
        int,
        whole(1),
        shown="the largest that a network takes",
    ),
    "goal": Option(
        ATTACK,
        "targeted or untargeted.",
        str,
        one_of("goal", Goal),
        ("targeted",),
        many=True,
        shown="targeted, for the embedded networks both",
    ),
    "attack": Option(
        ATTACK,
        "own, or torchattack:NAME for one of that library's attacks (extra [torchattack]).",
        str,
        text,
        "own",
    ),
    "preset": Option(
        ATTACK,
        "Settings by name, which options overrule: transferattack, rapa or digits.",
        str,
        one_of("preset", PRESETS),
        "transferattack",
        shown="transferattack, for the embedded networks digits",
    ),
    "epsilon": Option(
        ATTACK,
        "The L∞ bound as a share of the pixels' range.",
        str,
        read_share,
        shown="16/255",
    ),
    "step": Option(ATTACK, "What an iteration changes a pixel by.", str, read_share, shown="2/255"),
    "steps": Option(
        ATTACK,
        "Iterations of each attack, whatever they cost; not along with --passes.",
        int,
        whole(1),
        shown="300 targeted, 10 untargeted",
    ),
    "passes": Option(
        ATTACK,
        "Forward-backward passes of each image and surrogate (A+B takes twice as many in all, as "
        "tables count them): the same budget for each augmentation, which makes as many iterations "
        "of it as it pays for.",
        int,
        whole(1),
    ),
    "at": Option(
        ATTACK,
        "Passes of each image and surrogate, as for --passes, after which figures are taken as "
        "well; for curves.",
        int,
        whole(1),
        (),
        many=True,
        shown="a quarter, half and three quarters",
    ),
    "loss": Option(
        ATTACK,
        "cross-entropy or logit.",
        str,
        one_of("loss", Loss),
        shown="logit targeted, cross-entropy untargeted",
    ),
    "momentum": Option(ATTACK, "Decay of earlier gradients, 0 for none.", float, check_momentum),
    "diversity": Option(
        ATTACK, "Probability of input diversity (DI) in an iteration.", float, check_fraction
    ),
    "diversity_scale": Option(
        ATTACK,
        "The frame of input diversity as a multiple of the image, 1 to 4.",
        float,
        check_scale,
    ),
    "translation": Option(
        ATTACK,
        "Side of the kernel that smooths gradients (TI), odd, up to 99; 0 for none.",
        int,
        check_kernel,
    ),
    "scales": Option(ATTACK, "Copies of falling brightness an iteration (SI).", int, whole(1)),
    "augmentation": Option(
        AUGMENTATIONS,
        f"What is done to surrogates: {', '.join(DEFAULTS)}, with settings after a colon, e.g. "
        "dwp:p_prune=0.5,p_bern=0.3 or rapa:p_bern=0.01,draws=5.",
        str,
        _augmentation,
        tuple(DEFAULTS),
        many=True,
    ),
    "against": Option(
        AUGMENTATIONS, "The one that others are compared with.", str, _augmentation, "none"
    ),
    "seed": Option(AUGMENTATIONS, "Names draws; the first of --seeds.", int, whole(0), 0),
    "seeds": Option(
        AUGMENTATIONS, "Seeds in a row that what is random is repeated for.", int, whole(1), 2
    ),
    "batch_size": Option(
        RUNNING,
        "Images a batch, which share their draws.",
        int,
        whole(1),
        10,
        shown="10, for the embedded networks 50",
    ),
}
TRANSFER_OPTIONS: Mapping[str, Option] = {
    **_OWN,
    **{name: OPTIONS[name] for name in _SHARED},
    "limit": replace(OPTIONS["limit"], shown="all, of the embedded digits 50"),
}
