"""Plans: every combination once, what prunes nothing left out, and errors with their lines."""

import pytest

from network_prune.errors import NetworkPruneError
from network_prune.evaluation.variant import Network
from network_prune.study.plan import make_plan
from network_prune.study.plan_file import read_plan_file, read_preset


def points(plan, network):
    return [(s.method, s.p_prune, s.p_bern, s.index) for s in plan.variants[network]]


def test_every_combination_is_a_variant_and_sure_draws_stand_once():
    plan = make_plan(
        {"method": ["weights", "neurons"], "p_prune": [0.1, 0.2], "p_bern": [1, 0.5], "draws": 2}
    )
    expected = [
        (method, p_prune, p_bern, index)
        for method in ("weights", "neurons")
        for p_prune in (0.1, 0.2)
        for p_bern, index in ((1.0, 0), (0.5, 0), (0.5, 1))
    ]
    assert points(plan, Network("digits", "default")) == expected


def test_what_prunes_nothing_is_the_dense_network():
    plan = make_plan({"p_prune": [0, 0.2], "p_bern": [0, 1], "dense": False})
    assert plan.options["dense"] is True
    assert points(plan, Network("digits", "default")) == [("connections", 0.2, 1.0, 0)]


def test_grids_take_what_they_dont_say_from_the_plan_and_double_variants_stand_once():
    grids = [{"p_prune": 0.1}, {"p_prune": [0.1, 0.2], "method": "weights"}, {"p_prune": 0.1}]
    plan = make_plan({"p_bern": 0.5, "seed": 3, "grids": grids})
    found = plan.variants[Network("digits", "default")]
    assert points(plan, Network("digits", "default")) == [
        ("connections", 0.1, 0.5, 0),
        ("weights", 0.1, 0.5, 0),
        ("weights", 0.2, 0.5, 0),
    ]
    assert {s.seed for s in found} == {3}


def test_the_published_tables():
    plan = make_plan(read_preset("published"))
    rows = {
        (network.arch, s.method, s.p_prune, s.p_bern)
        for network, variants in plan.variants.items()
        for s in variants
    }
    connections = {
        ("resnet18", 0.1, 1),
        ("resnet18", 0.2, 1),
        ("resnet18", 0.2, 0.5),
        ("resnet18", 0.4, 0.5),
    }
    connections |= {("resnet50", p, 1) for p in (0.1, 0.2, 0.3, 0.4)}
    later = {"resnet18": (0.3, 0.4, 0.5), "resnet50": (0.5, 0.6, 0.7)}
    connections |= {(arch, p, 1) for arch, p_prunes in later.items() for p in p_prunes}
    neurons = {(arch, p, 1) for arch in ("resnet18", "resnet50") for p in (0.05, 0.08, 0.1)}
    assert rows == {(a, "connections", p, b) for a, p, b in connections} | {
        (a, "neurons", p, b) for a, p, b in neurons
    }


def test_a_file_says_what_options_say(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(
        "method: [weights]\np_prune: 0.3\nfold: false\ngrids:\n  - {draws: 2, p_bern: 0.5}\n"
    )
    plan = make_plan(read_plan_file(path))
    assert points(plan, Network("digits", "default")) == [
        ("weights", 0.3, 0.5, 0),
        ("weights", 0.3, 0.5, 1),
    ]
    assert plan.options["fold"] is False
    assert plan.options["channels_last"] is True


def test_an_empty_file_is_the_default(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text("# nothing yet\n")
    assert make_plan(read_plan_file(path)) == make_plan({})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method: weights\np_prune: [0.1, 1.3]", r"line 2: p_prune=1.3 is outside \[0, 1\]"),
        ("p_prun: 0.1", "line 1: unknown key 'p_prun'; did you mean p_prune"),
        ("seed: 1\n\nseed: 2", "line 3: seed stands there twice"),
        (
            "grids:\n  - p_bern: 0.5\n    data: x",
            "line 3: data holds for the whole study; write it outside",
        ),
        ("grids: 3", "line 1: grids takes a list"),
        ("- a\n- b", "line 1: it holds no keys"),
        ("draws: [1, 2]", "line 1: draws has a list of values; it takes one"),
        ("p_prune: []", "line 1: p_prune has no values"),
        ("draws: 0", "line 1: draws=0 is too small; pass 1 or more"),
        ("fold: maybe", "line 1: fold='maybe' is neither true nor false"),
        ("method: kernels", "line 1: unknown method 'kernels'"),
        ("score: tailor", "line 1: unknown score 'tailor'"),
        ("arch: 3", "line 1: arch=3 is no text"),
        ("mean: [x]", "line 1: mean='x' is no number"),
        ("p_prune: true", "line 1: p_prune=True is not a number"),
        ("a: [1", "line 1: "),
    ],
)
def test_errors_say_file_and_line(tmp_path, text, message):
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(NetworkPruneError, match=f"plan.yaml {message}"):
        make_plan(read_plan_file(path))


def test_a_missing_file_and_an_unknown_preset_are_refused(tmp_path):
    with pytest.raises(NetworkPruneError, match=r"cannot read the plan .*No such file"):
        read_plan_file(tmp_path / "none.yaml")
    with pytest.raises(NetworkPruneError, match="unknown preset 'publish'; did you mean published"):
        read_preset("publish")


def test_code_in_a_file_is_not_run(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(f"arch: !!python/object/apply:os.mkdir [{tmp_path / 'made'}]")
    with pytest.raises(NetworkPruneError, match=r"plan.yaml line 1: could not determine"):
        read_plan_file(path)
    assert not (tmp_path / "made").exists()
