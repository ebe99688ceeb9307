"""Transfer runs that never ran: records and predictions at random, as a run writes them."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from network_prune.evaluation.mean import Mean
from network_prune.results.images import Images
from network_prune.results.outcome_store import OutcomeStore
from network_prune.transfer.attack.settings import Attack
from network_prune.transfer.augmentations.augmentation import Augmentation
from network_prune.transfer.predictions import Predictions
from network_prune.transfer.record_key import SCHEMA, record_key

PREPROCESSING = {
    "resize": 32,
    "crop": 32,
    "interpolation": "bilinear",
    "mean": [0.3],
    "std": [0.4],
    "crop_mode": "center",
    "crop_rounding": "even",
}
VERSIONS = {"network_prune": "0", "torch": "2", "torchvision": "0", "timm": "1", "numpy": "2"}


def network(name: str, classes: int = 10) -> dict:
    """A network as a record holds it."""
    sha256 = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
    return {
        "name": name,
        "weights": "embedded",
        "weights_sha256": sha256,
        "preprocessing": PREPROCESSING,
        "classes": classes,
    }


def predictions(
    networks: Sequence[str],
    *,
    n: int = 40,
    points: int = 4,
    classes: int = 10,
    seed: int = 0,
    is_targeted: bool = True,
    success: Mapping[str, float] | None = None,
    truth: tuple[np.ndarray, np.ndarray] | None = None,
) -> Predictions:
    """Predictions of random classes, those on clean images right nine times of ten.

    Args:
        networks: their names.
        n: number of images.
        points: number of points, the end counted.
        classes: number of classes.
        seed: names them.
        is_targeted: whether images have targets.
        success: by network, the share of images that it takes for their targets (untargeted:
            for another class than the true one) at the end; less at earlier points.
        truth: labels and targets, random ones by default.
    """
    random = np.random.default_rng(seed)
    if truth is None:
        labels = random.integers(0, classes, n)
        targets = (labels + random.integers(1, classes, n)) % classes
    else:
        labels, targets = truth
    wrong = (labels + random.integers(1, classes, n)) % classes
    goal = targets if is_targeted else wrong
    found = np.empty((len(networks), points + 3, n), dtype=np.int64)
    for place, name in enumerate(networks):
        found[place, 0] = np.where(random.random(n) < 0.9, labels, wrong)
        shares = [(success or {}).get(name, 0.3) * (p + 1) / points for p in range(points)]
        for point, share in enumerate([*shares, shares[-1], shares[-1]], start=1):
            found[place, point] = np.where(random.random(n) < share, goal, labels)
    return Predictions(
        networks=tuple(networks),
        labels=labels.astype(np.int64),
        targets=targets.astype(np.int64) if is_targeted else np.full(n, -1),
        classes=found,
        linf=np.full(n, 16 / 255),
        l2=random.uniform(2, 3, n),
    )


def record(
    store: OutcomeStore,
    made: Predictions,
    *,
    surrogates: int = 1,
    augmentation: str = "none",
    bound: Sequence[str] = (),
    goal: str = "targeted",
    seed: int = 0,
    iterations: int = 40,
    passes_per_iteration: int = 1,
    **changes: object,
) -> dict:
    """A record whose first ``surrogates`` networks are the surrogates; its pieces go into store.

    Args:
        store: where they go.
        made: its predictions.
        surrogates: how many of the networks of ``made`` images are made on.
        augmentation: as `Augmentation.parse` reads it; unused of a bound.
        bound: the networks beside the surrogates, for an upper bound.
        goal: of the attack.
        seed: of the row.
        iterations: how many.
        passes_per_iteration: how many an iteration takes.
        changes: other parts.
    """
    kind = Augmentation.parse(augmentation).to_dict()
    settings = _bound(bound) if bound else kind
    names = made.networks
    spread = [iterations * (point + 1) // made.points for point in range(made.points)]
    l2 = Mean.of(made.l2.tolist())
    whole = {
        "schema": SCHEMA,
        "kind": "transfer",
        "surrogates": [network(name) for name in names[:surrogates]],
        "victims": [network(name) for name in names[surrogates:]],
        "images": {
            "name": "digits",
            "n": len(made),
            "identity": hashlib.sha256(made.labels.tobytes()).hexdigest(),
            "images": "0" * 64,
            "size": 32,
            "channels": 1,
            "targets": "random, seed 0",
            "targets_sha256": hashlib.sha256(made.targets.tobytes()).hexdigest(),
            "asked": {"limit": None},
        },
        "augmentation": settings,
        "goal": goal,
        "seed": seed,
        "attack": {**Attack(goal=goal).to_dict(), "by": "own"},
        "iterations": iterations,
        "passes": iterations * passes_per_iteration,
        "passes_per_iteration": passes_per_iteration,
        "points": [{"iteration": i, "passes": i * passes_per_iteration} for i in spread],
        "running": {"batch_size": 10, "device": "cpu"},
        "ratios": [{"pruning_ratio": 0.35, "of_all_parameters": 0.3}] * surrogates,
        "distance": {
            "linf": float(made.linf.max()),
            "l2": l2.mean,
            "l2_interval": list(l2.interval),
        },
        "seconds": 1.5,
        "seconds_drawing": 0.1,
        "predictions": store.put(made.to_bytes()),
        "pictures": store.put(Images(made.labels.tolist()).to_bytes()),
        "versions": VERSIONS,
        **changes,
    }
    return {**whole, "key": record_key(whole)}


def _bound(names: Sequence[str]) -> dict:
    networks = [network(name) for name in names]
    return {
        "name": "bound",
        "networks": list(names),
        **{part: [each[part] for each in networks] for part in ("weights_sha256", "preprocessing")},
    }
