"""Rows of transfer runs that never ran, for tests of figures and tables."""

from network_prune.results.outcome_store import OutcomeStore
from network_prune.transfer.figures.attacked import Attacked
from tests import made_transfers


def attacked(
    networks=("net", "other", "third"), *, goal="targeted", record=None, **made
) -> Attacked:
    """One row; ``made`` goes to `made_transfers.predictions`, ``record`` to `.record`."""
    found = made_transfers.predictions(networks, is_targeted=goal == "targeted", **made)
    return Attacked(
        made_transfers.record(OutcomeStore(), found, goal=goal, **(record or {})), found
    )


def grid(augmentations, *, goals=("targeted", "untargeted"), seeds=(0, 1), shares=None, **made):
    """Rows of all combinations on the same images.

    Args:
        augmentations: their texts.
        goals: of the attack.
        seeds: of the rows.
        shares: by augmentation, the share of success on each network.
        made: as for `attacked`.
    """
    truth = made_transfers.predictions(["x"], n=made.get("n", 40))
    return [
        attacked(
            goal=goal,
            truth=(truth.labels, truth.targets),
            success=(shares or {}).get(name),
            record={"augmentation": name, "seed": seed, **_cost(name)},
            **{**made, "seed": 1000 * number + seed},
        )
        for goal in goals
        for number, name in enumerate(augmentations)
        for seed in seeds
    ]


def _cost(augmentation: str) -> dict[str, int]:
    draws = 5 if augmentation == "rapa" else 1
    return {"iterations": 40 // draws, "passes_per_iteration": draws}


def folder(*, goal="targeted", **made):
    """A row whose images another attack wrote, as a run on a folder records it."""
    settings = ("step", "loss", "momentum", "normalise", "diversity", "translation", "scales")
    unknown = ("iterations", "passes", "passes_per_iteration", "seconds", "seconds_drawing")
    row = attacked(goal=goal, points=1, **made)
    record = {
        **row.record,
        **dict.fromkeys(unknown),
        "points": [{"iteration": None, "passes": None}],
        "augmentation": {"name": "folder", "folder": "theirs", "sha256": "0" * 64},
        "attack": {**row.record["attack"], **dict.fromkeys(settings), "by": "folder theirs"},
    }
    return Attacked(record, row.predictions)
