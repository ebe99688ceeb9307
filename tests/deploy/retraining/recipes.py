"""Recipes of retraining for tests."""

from network_prune.deploy.retraining.recipe import Recipe

USUAL = {
    "granularity": "weight",
    "p_prune": 0.5,
    "p_bern": 1.0,
    "seed": 0,
    "index": 0,
    "with_norm": False,
    "ranking": {},
    "schedule": "oneshot",
    "rounds": None,
    "epochs": 2,
    "decay": "cosine",
    "distill": False,
    "temperature": 4.0,
    "batch_size": 4,
    "amp_dtype": None,
    "skip_unreadable": False,
}


def recipe(**options):
    return Recipe(**{**USUAL, **options})
