"""Figures of transfer runs equal slow ones, image by image."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from network_prune.evaluation.metrics import wilson_interval
from network_prune.transfer.figures.rates import rate
from network_prune.transfer.figures.rows import flat_rows
from network_prune.transfer.figures.sets import AttackSet, sets_of
from network_prune.transfer.predictions import Predictions
from tests.transfer.attacked_rows import attacked, folder, grid

GOALS = st.sampled_from(["targeted", "untargeted"])


def with_not_finite(row, share=0.2):
    """The row with a share of all predictions, clean ones too, not finite."""
    found = row.predictions
    gone = np.random.default_rng(0).random(found.classes.shape) < share
    classes = np.where(gone, -1, found.classes)
    arrays = (found.labels, found.targets, classes, found.linf, found.l2)
    return type(row)(row.record, Predictions(found.networks, *arrays))


def slow(row, network, when, figure, of_right):
    """Hits and number of images, one image after the other."""
    predictions, hits, n = row.predictions, 0, 0
    classes = (
        predictions.at(when, network)
        if isinstance(when, int)
        else getattr(predictions, when)(network)
    )
    for image, predicted in enumerate(classes):
        label, target = predictions.labels[image], predictions.targets[image]
        if of_right and predictions.clean(network)[image] != label:
            continue
        n += 1
        if figure == "error":
            hits += bool(predicted != label)
        else:
            hits += bool(target != -1 and predicted == target)
    return hits, n


@given(GOALS, st.integers(1, 30), st.integers(0, 1000))
def test_figures_of_one_seed_are_counts_with_wilsons_interval(goal, n, seed):
    row = with_not_finite(attacked(goal=goal, n=n, seed=seed))
    one = AttackSet([row])
    for network in ("net", "third"):
        for when in (0, 2, -1, "rounded", "truncated"):
            for figure in ("targeted", "error"):
                for of_right in (False, True):
                    hits, count = slow(row, network, when, figure, of_right)
                    found = one.rate(network, figure, of_right=of_right, when=when)
                    assert found.n == count
                    assert found.percent == pytest.approx(
                        100 * hits / count if count else math.nan, nan_ok=True
                    )
                    assert found.interval == pytest.approx(
                        wilson_interval(hits, count), nan_ok=True
                    )


@given(st.integers(1, 5), st.integers(0, 20), st.integers(0, 100))
def test_means_over_seeds_lie_in_an_interval_wider_than_that_of_images_alone(seeds, n, seed):
    hits = np.random.default_rng(seed).random((seeds, n)) < 0.4
    found = rate(hits)
    assert found.percent == pytest.approx(100 * hits.mean() if n else math.nan, nan_ok=True)
    if n:
        assert found.interval[0] - 1e-9 <= found.percent <= found.interval[1] + 1e-9
        same = rate(np.repeat(hits[:1], seeds, axis=0))
        assert same.interval == pytest.approx(wilson_interval(int(hits[0].sum()), n))


def test_an_output_that_is_not_finite_is_an_error_and_no_target():
    row = with_not_finite(attacked(goal="untargeted"), share=1.0)
    one = AttackSet([row])
    assert one.rate("other", "error", of_right=False).percent == 100
    assert one.rate("other", "targeted", of_right=False).percent == 0
    assert one.rate("other", "error", of_right=True).n == 0  # it wasn't right when clean


def test_success_is_of_all_images_targeted_and_of_those_right_when_clean_untargeted():
    targeted, untargeted = (AttackSet([attacked(goal=goal)]) for goal in ("targeted", "untargeted"))
    assert targeted.success("other") == targeted.rate("other", "targeted", of_right=False)
    assert untargeted.success("other") == untargeted.rate("other", "error", of_right=True)


def test_rows_that_differ_in_the_seed_alone_are_a_set():
    rows = grid(["none", "dwp", "rapa:p_bern=0.01"], seeds=(1, 0))
    sets = sets_of([*rows, rows[0]])
    assert [(s.goal, s.augmentation, s.seeds) for s in sets] == [
        (goal, name, (0, 1))
        for goal in ("targeted", "untargeted")
        for name in ("none", "dwp", "rapa:p_bern=0.01")
    ]


def test_a_bound_is_called_by_its_networks():
    row = attacked(["a", "b", "c"], record={"bound": ["b"]})
    (one,) = sets_of([row])
    assert (one.augmentation, one.surrogate, one.victims) == ("bound:b", "a", ("b", "c"))
    assert [one.is_made_on(name) for name in one.networks] == [True, True, False]


def test_flat_rows_hold_each_point_and_both_ways_to_8_bits():
    rows = flat_rows([attacked(record={"iterations": 40})])
    assert len(rows) == 3 * (4 + 2)
    assert [(r["passes"], r["images"]) for r in rows[:6]] == [
        *((10 * i, "float32") for i in (1, 2, 3, 4)),
        (40, "rounded"),
        (40, "truncated"),
    ]
    assert [r["is_surrogate"] for r in rows[::6]] == [True, False, False]
    assert all(row.keys() == rows[0].keys() for row in rows)
    assert rows[3]["success"] == rows[3]["targeted"]
    assert rows[0]["seconds_per_iteration"] == 1.5 / 40
    assert rows[0]["share_drawing"] == pytest.approx(0.1 / 1.5)


def test_what_an_untargeted_run_has_no_number_for_is_none():
    row = flat_rows([attacked(goal="untargeted")])[0]
    assert row["targeted"] is row["targeted_of_right_low"] is None
    assert row["success"] == row["error_of_right"]


def test_a_run_without_iterations_or_seconds_has_no_figures_of_them():
    record = {"iterations": 0, "seconds": 0.0, "seconds_drawing": 0.0}
    row = flat_rows([attacked(record=record)])[0]
    assert row["seconds_per_iteration"] is row["share_drawing"] is None


def test_what_another_attack_wrote_has_figures_but_no_costs():
    rows = flat_rows([folder()])
    assert [row["images"] for row in rows[:3]] == ["float32", "rounded", "truncated"]
    assert rows[3]["augmentation"] == "folder:theirs"
    assert rows[3]["passes"] is rows[3]["seconds_per_iteration"] is None
    assert rows[3]["success"] is not None
