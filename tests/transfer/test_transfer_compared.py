"""Augmentations against one of them: paired on the same images, over all settings."""

import math
from dataclasses import replace

import numpy as np
import pytest

from network_prune.errors import ArgumentError
from network_prune.evaluation.paired import matched_interval
from network_prune.results.comparing.statistics import holm, images_needed, mcnemar
from network_prune.transfer.figures.attacked import Attacked
from network_prune.transfer.figures.compared import compare_on, compare_sets, is_equal_cost
from network_prune.transfer.figures.pictures import curve_pictures
from network_prune.transfer.figures.sets import sets_of
from tests.transfer.attacked_rows import attacked, folder, grid

HELPS = {"dwp": {"other": 0.8, "third": 0.3}}


def test_one_seed_each_is_the_exact_test_on_the_same_images():
    sets = sets_of(grid(["none", "dwp"], goals=["targeted"], seeds=[0], shares=HELPS))
    found = compare_on(sets[1], sets[0], "other")
    one, other = (each.hits("other", "targeted")[0] for each in (sets[1], sets[0]))
    gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
    assert (found.n, found.gained, found.lost) == (40, gained, lost)
    assert found.difference == pytest.approx(100 * (one.mean() - other.mean()))
    assert found.interval == matched_interval(gained, lost, 40)
    assert found.p == mcnemar(gained, lost)
    assert found.images_needed == images_needed(found.difference, (gained + lost) / 40)


def test_untargeted_it_is_on_images_right_when_clean():
    sets = sets_of(grid(["none", "dwp"], goals=["untargeted"], seeds=[0]))
    found = compare_on(sets[1], sets[0], "other")
    kept = sets[0].right("other") & sets[1].right("other")
    assert found.n == int(kept.sum()) < 40
    wrong = [each.hits("other", "error")[0][kept].mean() for each in (sets[1], sets[0])]
    assert found.difference == pytest.approx(100 * (wrong[0] - wrong[1]))


def test_same_seeds_are_pairs_and_a_lone_one_is_held_against_each():
    rows = grid(["none", "dwp"], goals=["targeted"], seeds=[0, 1, 2])
    none, dwp = sets_of(rows)
    (lone,) = sets_of(rows[:1])
    by_seed = compare_on(dwp, none, "other")
    one, other = dwp.hits("other", "targeted"), none.hits("other", "targeted")
    assert by_seed.gained == pytest.approx((one & ~other).sum() / 3)
    against_one = compare_on(dwp, lone, "other")
    assert against_one.gained == pytest.approx(np.mean([(x & ~other[0]).sum() for x in one]))
    assert (against_one.rates[0].seeds, against_one.rates[1].seeds) == (3, 1)


def test_holm_is_over_all_comparisons_of_the_run():
    found = compare_sets(sets_of(grid(["none", "dwp", "rapa", "mup"], shares=HELPS)))
    assert len(found.comparisons) == 3 * 2 * 2  # augmentations, goals, victims
    assert found.adjusted == holm([each.p for each in found.comparisons]).tolist()
    assert [row["p_adjusted"] for row in found.rows()] == found.adjusted
    assert not found.unpaired


def test_the_summary_counts_all_settings_not_the_best():
    sets = sets_of(grid(["none", "dwp", "mup"], seeds=[0], n=200, shares=HELPS))
    found = compare_sets(sets)
    dwp, mup = found.summary
    own = [each for each in found.comparisons if each.augmentation.augmentation == "dwp"]
    differences = [each.difference for each in own]
    assert (dwp.augmentation, mup.augmentation) == ("dwp", "mup")
    assert (dwp.settings, dwp.better, dwp.worse) == (
        4,
        sum(d > 0 for d in differences),
        sum(d < 0 for d in differences),
    )
    assert dwp.shown_better == 2  # on one victim of two, under both goals
    assert (dwp.mean, dwp.lowest, dwp.highest) == pytest.approx(
        (np.mean(differences), min(differences), max(differences))
    )


def test_equal_cost_is_up_to_less_than_an_iteration():
    none = attacked(record={"iterations": 41})
    rapa = attacked(record={"augmentation": "rapa", "iterations": 8, "passes_per_iteration": 5})
    more = attacked(record={"augmentation": "rapa", "iterations": 41, "passes_per_iteration": 5})
    none, rapa, more = sets_of([none, rapa, more])
    assert is_equal_cost(none, rapa)
    assert not is_equal_cost(none, more)
    found = compare_sets([none, more])
    assert found.summary[0].unequal == 2


def test_of_several_budgets_the_one_of_equal_passes_is_compared_with():
    few, many = (attacked(record={"iterations": i}) for i in (10, 50))
    rapa = {"augmentation": "rapa", "iterations": 10, "passes_per_iteration": 5}
    found = compare_sets(sets_of([few, many, attacked(record=rapa)]))
    assert {each.against.passes for each in found.comparisons} == {50}
    found = compare_sets(sets_of([few, attacked(record=rapa)]))
    assert {each.against.passes for each in found.comparisons} == {10}


def on(row, victims, points=(0, 1, 2, 3)):
    """The row as a run with these victims records it, looked at at these points alone."""
    names = (row.record["surrogates"][0]["name"], *victims)
    found = row.predictions
    classes = np.array([found.only(name, points) for name in names])
    known = {network["name"]: network for network in row.record["victims"]}
    record = {
        **row.record,
        "victims": [known[name] for name in victims],
        "points": [row.record["points"][place] for place in points],
    }
    return Attacked(record, replace(found, networks=names, classes=classes))


@pytest.mark.parametrize(
    "runs",
    [
        [["other"], ["other", "third"]],
        [["other", "third"], ["third"]],
        [["other"], ["third"]],
        [["third"], ["third", "other"], ["other"]],
    ],
)
def test_a_victim_counts_once_however_often_the_attack_was_run(runs):
    rows = grid(["none", "dwp", "rapa"], shares=HELPS)
    once = compare_sets(sets_of(rows))
    sets = sets_of([on(row, victims) for victims in runs for row in rows])
    assert len(sets) == 6
    found = compare_sets(sets)

    def figures(compared):
        return sorted(compared.rows(), key=lambda row: [*map(str, row.values())])

    assert figures(found) == figures(once)
    assert found.summary == once.summary
    assert not found.unpaired


def test_a_victim_counts_once_with_all_its_seeds():
    rows = grid(["none", "dwp"], goals=["targeted"], seeds=[0, 1, 2])
    first, more = [on(row, ["other"]) for row in rows], [r for r in rows if r.record["seed"] < 2]
    sets = sets_of([*first, *more])
    assert [(each.augmentation, each.victims, each.seeds) for each in sets] == [
        (name, victims, seeds)
        for name in ("none", "dwp")
        for victims, seeds in ((("other",), (0, 1, 2)), (("third",), (0, 1)))
    ]
    found = {each.victim: each.to_dict() for each in compare_sets(sets).comparisons}
    whole = {each.victim: each.to_dict() for each in compare_sets(sets_of(rows)).comparisons}
    assert len(found) == len(compare_sets(sets).comparisons)
    assert found["other"] == whole["other"]


def test_an_attack_looked_at_at_other_points_is_the_same_and_has_what_its_rows_share():
    rows = grid(["none", "dwp"], goals=["targeted"])
    again = [on(row, ["other"], points=(1, 3)) for row in rows if row.record["seed"] == 1]
    none, dwp = sets_of([*rows, *again])
    assert [point["iteration"] for point in dwp.first["points"]] == [20, 40]
    for place, old in ((0, 1), (1, 3)):
        for victim in ("other", "third"):
            whole = sets_of(rows)[1].success(victim, old)
            assert dwp.success(victim, place) == whole
    assert len(compare_sets([none, dwp]).comparisons) == 2


def test_each_victim_is_compared_where_the_other_was_tried_on_it_and_the_rest_is_told():
    few, many = (attacked(record={"iterations": i}) for i in (20, 40))
    dwp = attacked(record={"augmentation": "dwp"})
    found = compare_sets(sets_of([few, on(many, ["other"]), dwp]))
    assert {each.victim: each.against.passes for each in found.comparisons} == {
        "other": 40,
        "third": 20,
    }
    found = compare_sets(sets_of([on(many, ["other"]), dwp]))
    assert [each.victim for each in found.comparisons] == ["other"]
    assert [each.augmentation for each in found.unpaired] == ["dwp"]


def test_bounds_and_folders_are_not_compared_and_others_may_be_compared_with():
    bound = attacked(record={"bound": ["other"]})
    sets = sets_of([*grid(["none", "dwp"], goals=["targeted"]), bound, folder()])
    assert compare_sets(sets[2:]).comparisons == []
    assert len(compare_sets(sets).comparisons) == 2
    found = compare_sets(sets, "dwp")
    assert {each.augmentation.augmentation for each in found.comparisons} == {"none"}
    assert compare_sets([]).comparisons == []


def test_what_there_is_nothing_to_compare_with_is_told():
    rows = grid(["dwp", "mup"], goals=["targeted"])
    with pytest.raises(ArgumentError, match="unknown augmentation to compare with 'none'"):
        compare_sets(sets_of(rows))
    alone = attacked(("another", "other"), record={"augmentation": "dwp"})
    found = compare_sets(sets_of([*grid(["none"]), alone]))
    assert [each.surrogate for each in found.unpaired] == ["another"]


def test_without_images_nothing_is_known():
    rows = grid(["none", "dwp"], goals=["untargeted"], seeds=[0])
    for row in rows:
        row.predictions.classes[:, 0] = -1  # no clean image is right
    found = compare_sets(sets_of(rows))
    assert math.isnan(found.comparisons[0].difference)
    assert found.rows()[0]["difference"] is found.rows()[0]["images_needed"] is None
    assert found.summary[0].settings == 0


def test_a_panel_a_goal_surrogate_and_victim():
    rows = curve_pictures(sets_of(grid(["none", "dwp", "rapa"])))
    assert [len(row) for row in rows] == [2, 2]
    for row in (attacked(["alone"]), folder()):
        with pytest.raises(ArgumentError, match="no images were tried on another network"):
            curve_pictures(sets_of([row]))
