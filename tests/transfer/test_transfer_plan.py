"""A plan says which rows there are, and what each costs."""

import pytest

from network_prune.errors import ArgumentError
from network_prune.transfer.attack.settings import Goal
from network_prune.transfer.plan import ensemble_name, make_transfer_plan


def rows(**values):
    usual = {"surrogate": ["a"], "augmentation": ["none"], "seeds": 1}
    return make_transfer_plan({**usual, **values}).rows


def names(networks):
    return [ensemble_name([network]) for network in networks]


def test_presets_say_what_isnt_said_and_differ_by_goal():
    targeted, untargeted = rows(goal=["targeted", "untargeted"])
    assert (targeted.iterations, untargeted.iterations) == (300, 10)
    assert targeted.attack.loss == "logit"
    assert untargeted.attack.loss == "cross-entropy"
    assert (targeted.attack.diversity, untargeted.attack.diversity) == (0.7, 0.0)
    assert targeted.attack.epsilon == pytest.approx(16 / 255)


def test_what_is_said_overrules_the_preset():
    for row in rows(goal=["targeted", "untargeted"], epsilon="8/255", loss="logit", steps=7):
        assert row.attack.epsilon == pytest.approx(8 / 255)
        assert (row.attack.loss, row.iterations) == ("logit", 7)


def test_passes_take_the_place_of_a_presets_steps_and_the_other_way():
    assert [row.iterations for row in rows(passes=12)] == [12]
    assert [row.iterations for row in rows(preset="rapa", steps=12)] == [12]
    assert [row.iterations for row in rows(preset="rapa")] == [5000]


def test_embedded_networks_have_a_preset_of_their_own():
    plan = make_transfer_plan({})
    assert (plan.options["preset"], plan.options["image_size"]) == ("digits", 32)
    assert {row.attack.goal for row in plan.rows} == set(Goal)
    assert (plan.options["limit"], plan.options["batch_size"]) == (50, 50)
    plan = make_transfer_plan({"data": "a", "goal": ["targeted"], "batch_size": 7})
    assert (plan.options["limit"], plan.options["batch_size"]) == (None, 7)
    assert {row.attack.goal for row in plan.rows} == {Goal.TARGETED}
    plan = make_transfer_plan({"surrogate": ["a"]})
    assert (plan.options["preset"], plan.options["image_size"]) == ("transferattack", None)


def test_passes_pay_for_draws_and_copies():
    by_draws = rows(augmentation=["dwp:draws=5"], against="dwp:draws=5", passes=23, scales=2)
    (row,) = by_draws
    assert (row.iterations, row.passes_per_iteration) == (2, 10)


def test_points_are_what_the_passes_pay_for():
    (none, dwp) = rows(augmentation=["none", "dwp:draws=5"], passes=20, at=[3, 10, 12])
    assert none.points == (3, 10, 12, 20)
    assert dwp.points == (2, 4)
    assert rows(passes=20)[0].points == (5, 10, 15, 20)
    assert rows(steps=1)[0].points == (1,)


def test_victims_are_all_networks_that_the_row_isnt_made_on():
    by_row = rows(surrogate=["a", "b+c"], bound=["d"])
    assert [(names(row.surrogates), names(row.victims)) for row in by_row] == [
        (["a"], ["b", "c", "d"]),
        (["a"], ["b", "c"]),
        (["b", "c"], ["a", "d"]),
        (["b", "c"], ["a"]),
    ]
    assert [names(row.beside) for row in by_row] == [[], ["d"], [], ["d"]]


def test_victims_that_are_named_are_the_only_ones():
    first, second = rows(surrogate=["a", "b"], victim=["c", "a"])
    assert (names(first.victims), names(second.victims)) == (["c"], ["c", "a"])


def test_what_others_are_compared_with_is_among_the_rows():
    assert [row.name for row in rows(augmentation=["dwp"])] == ["none", "dwp"]
    assert [row.name for row in rows(augmentation=["none", "dwp"])] == ["none", "dwp"]
    assert [row.name for row in rows(augmentation=["dwp"], against="scale")] == ["scale", "dwp"]


def test_what_is_named_twice_is_one_row():
    by_row = rows(surrogate=["a", "a=default"], augmentation=["none", "dwp", "dwp:p_prune=0.7"])
    assert [str(row) for row in by_row] == ["a, targeted, none, seed 0", "a, targeted, dwp, seed 0"]


def test_seeds_repeat_what_is_random_alone_and_a_note_says_so():
    plan = make_transfer_plan(
        {"surrogate": ["a"], "augmentation": ["none", "scale", "dwp"], "diversity": 0.0}
    )
    assert [(row.name, row.seed) for row in plan.rows] == [
        ("none", 0),
        ("scale", 0),
        ("dwp", 0),
        ("dwp", 1),
    ]
    assert plan.notes == (
        "nothing is random in targeted none, targeted scale: one seed is computed",
    )
    assert make_transfer_plan({"surrogate": ["a"]}).notes == ()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"steps": 5, "passes": 5}, "steps=5 and passes=5 say two budgets; pass one of them"),
        ({"passes": 4, "augmentation": ["rapa"]}, "doesn't pay for one iteration of rapa, which"),
        ({"passes": 4, "at": [5]}, "at=5 lies beyond passes=4; pass numbers of passes up to that"),
        ({"bound": ["b"], "victim": ["b"]}, "bound=b leaves no victim of a; name another"),
        ({"surrogate": ["a+"]}, r"surrogate 'a\+' names no network; pass NAME, NAME=WEIGHTS or"),
        ({"surrogate": ["a="]}, "surrogate 'a=' names no network"),
        ({"surrogate": ["a+b+a"]}, r"surrogate 'a\+b\+a' names a network twice"),
        ({"victim": ["a+b"]}, r"victim 'a\+b' joins several networks; name each for itself"),
        ({"epsilon": 0}, r"epsilon=0 is outside \(0, 1\]"),
        ({"epsilon": float("nan")}, r"epsilon=nan is outside \(0, 1\]"),
        ({"step": "0/255"}, r"step=0/255 is outside \(0, 1\]"),
        ({"step": "nan"}, r"step=nan is outside \(0, 1\]"),
        ({"surogate": "a"}, "unknown key 'surogate'; did you mean surrogate"),
    ],
)
def test_what_makes_no_sense_is_refused(values, told):
    with pytest.raises(ArgumentError, match=told):
        rows(**values)


def test_a_plus_in_the_path_of_a_file_joins_nothing(tmp_path):
    folder = tmp_path / "a+b"
    folder.mkdir()
    code, weights = folder / "my.py", folder / "w+1.pt"
    for path in (code, weights):
        path.touch()
    ((surrogates, victims),) = [
        (row.surrogates, row.victims)
        for row in rows(surrogate=[f"{code}:a+b={weights}+c+{code}:d"], victim=[f"{code}:v"])
    ]
    assert names(surrogates) == [f"{code}:a", f"b={weights}", "c", f"{code}:d"]
    assert names(victims) == [f"{code}:v"]


def test_a_plan_is_a_mapping():
    with pytest.raises(ArgumentError, match=r"plan=\['dwp'\] is no mapping; pass e\.g\."):
        make_transfer_plan(["dwp"])  # pyright: ignore[reportArgumentType]
