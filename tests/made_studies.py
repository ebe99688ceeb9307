"""Studies that were never run: records and outcomes of chosen hits, as a sweep writes them."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from network_prune.evaluation.mean import UNIT
from network_prune.evaluation.metrics import Metrics, Samples
from network_prune.evaluation.outcomes import Outcomes
from network_prune.evaluation.paired import compare
from network_prune.results.images import Images
from network_prune.results.record_key import record_key
from network_prune.results.records import SCHEMA, Record, RecordFile
from network_prune.results.study import Study, load_study

LAYERS = ("conv1", "layer1.conv", "layer2.conv")
RUNNING = {
    "batch_size": 64,
    "amp": None,
    "device": "cpu",
    "channels_last": True,
    "fold": True,
    "compile": False,
    "dtype": None,
}
DATA = {
    "limit": None,
    "root": None,
    "image_column": None,
    "label_column": None,
    "first_label": None,
    "class_order": None,
    "only_data_classes": False,
    "exif": "source",
}


def variant(**values) -> dict:
    """A variant as a record holds it."""
    usual = {
        "method": "weights",
        "p_prune": 0.2,
        "p_bern": 0.5,
        "score": "l1",
        "scope": "global",
        "layers": ["conv2d"],
        "include": [],
        "exclude": [],
        "seed": 0,
        "index": 0,
        "with_norm": False,
    }
    return {**usual, **values}


def samples(right1: Sequence[bool], right5: Sequence[bool] | None = None) -> Samples:
    """Images of which these are right, with a loss of 0.5 where right at 1 and else 2."""
    hits1 = tuple(map(bool, right1))
    hits5 = (
        hits1 if right5 is None else tuple(a or bool(b) for a, b in zip(hits1, right5, strict=True))
    )
    losses = tuple(round((0.5 if hit else 2.0) / UNIT) for hit in hits1)
    return Samples(hits1, hits5, losses, (False,) * len(hits1))


def images(n: int, *, classes: int = 10, names: Sequence[str] = ()) -> Images:
    """Images of classes 0, 1, 2 … in turn."""
    return Images([i % classes for i in range(n)], names, {c: f"class {c}" for c in range(classes)})


def write_study(
    folder: Path,
    found: Iterable[tuple[dict | None, Samples]],
    *,
    network: str | dict = "digits",
    weights: str = "embedded",
    data: str = "digits",
    shown: Images | None = None,
    outcomes: bool = True,
    **changes,
) -> Study:
    """Write a study's folder: the dense network's samples first, under None, then each variant's.

    ``changes`` replace or add keys of all records.
    """
    dense: Samples | None = None
    with RecordFile(folder) as kept:
        for what, sums in found:
            shown = shown or images(len(sums.hits1))
            pieces = None
            if outcomes:
                pieces = {
                    "sha256": kept.outcomes.put(Outcomes.of(sums).pack()),
                    "images": kept.outcomes.put(shown.to_bytes()),
                }
            if what is None:
                dense = sums
            paired = compare(sums, dense).to_dict() if what and dense else None
            record = _record(what, sums.total(), paired, network, weights, data)
            whole = {**record, **changes, "outcomes": pieces}
            kept.append({**whole, "key": record_key(whole)})
    return load_study(folder)


def random_study(
    folder: Path, variants: Sequence[dict], *, n: int = 200, seed: int = 0, **options
) -> Study:
    """Write a study whose variants lose more images the more they prune."""
    generator = np.random.default_rng(seed)
    hardness = generator.random(n)
    found = [(None, samples(hardness < 0.8, hardness < 0.95))]
    for each in variants:
        lost = 0.8 - 0.7 * each["p_prune"] * each["p_bern"]
        noise = generator.normal(0, 0.05, n)
        found.append((each, samples(hardness + noise < lost, hardness + noise < lost + 0.15)))
    return write_study(folder, found, **options)


def _record(
    what: dict | None,
    metrics: Metrics,
    paired: dict | None,
    network: str | dict,
    weights: str,
    data: str,
) -> Record:
    figures = {key: value for key, value in metrics.to_dict().items() if key != "seconds"}
    images_sha256 = hashlib.sha256(f"{data} {metrics.n}".encode()).hexdigest()
    record = {
        "network": network if isinstance(network, dict) else _network(network, weights),
        "preprocessing": {
            "resize": 32,
            "crop": 32,
            "interpolation": "bilinear",
            "mean": [0.305],
            "std": [0.376],
            "crop_mode": "center",
            "crop_rounding": "even",
        },
        "data": {
            "name": data,
            "n": metrics.n,
            "identity": images_sha256,
            "images": images_sha256,
            "classes_by": "number",
        },
        "asked": {"weights": "default", "data": DATA, "running": RUNNING},
        "versions": {"network_prune": "0.1.0", "torch": "2.15.0", "python": "3.11.7"},
        "notes": [],
        "used": {"channels_last": True, "folded_norms": 14},
        "score_data": None,
        "variant": what,
        "score": None if what is None else what["score"],
        "prunable_sha256": what and _hash(what, "prunable"),
        "draw_sha256": what and _hash(what, "draw"),
        "realised": what and _realised(what),
        "metrics": figures,
        "difference": paired,
    }
    return {"schema": SCHEMA, "key": record_key(record), **record}


def _network(name: str, weights: str) -> dict:
    return {
        "name": name,
        "weights": weights,
        "weights_sha256": hashlib.sha256(f"{name} {weights}".encode()).hexdigest(),
        "classes": 10,
    }


def _hash(what: dict, kind: str) -> str:
    return hashlib.sha256(f"{kind} {what}".encode()).hexdigest()


def _realised(what: dict) -> dict:
    """Counts of a network of three layers of 100, 300 and 600 elements, as Summary gives them."""
    layers = []
    for name, elements in zip(LAYERS, (100, 300, 600), strict=True):
        prunable = int(what["p_prune"] * elements)
        pruned = int(prunable * what["p_bern"])
        counts = {"elements": elements, "prunable": prunable, "pruned": pruned, "weights": elements}
        layers.append(
            {"name": name, **counts, "zeroed": pruned, "zero_before": 0, "newly_zeroed": pruned}
        )
    names = ("elements", "prunable", "pruned", "weights", "zeroed", "zero_before", "newly_zeroed")
    total = {name: sum(layer[name] for layer in layers) for name in names}
    return {
        "granularity": what["method"].removesuffix("s"),
        **total,
        "pruning_ratio": total["pruned"] / total["elements"],
        "zeroed_ratio": total["zeroed"] / total["weights"],
        "zero_before_ratio": 0.0,
        "network_weights": 1100,
        "silenced": 0,
        "newly_silenced": 0,
        "network_zeroed_ratio": total["zeroed"] / 1100,
        "layers": layers,
        "warnings": [],
    }
