"""Stages after the cut: which networks belong together, and what is left of them."""

import pytest

from network_prune.reports.page.stages import stages_section
from network_prune.results.comparing.sets import sets_of
from network_prune.results.comparing.stages import stages
from network_prune.results.study import load_study
from tests.made_studies import samples, variant, write_study

HITS = {
    "dense": [True] * 9 + [False],
    "pruned": [True] * 4 + [False] * 6,
    "recalibrated": [True] * 6 + [False] * 4,
    "retrained": [True] * 8 + [False] * 2,
    "removed": [True] * 8 + [False] * 2,
}
WEIGHTS = {name: f"{number}" * 64 for number, name in enumerate(HITS)}


def made(stage, of, *, parameters=1000, non_zeros=500):
    return {
        "name": f"packed:{stage}.safetensors",
        "weights": f"{stage}.safetensors ({stage}, from embedded)",
        "weights_sha256": WEIGHTS[stage],
        "classes": 10,
        "made": {
            "stage": stage,
            "of": {
                "arch": "digits",
                "weights_sha256": WEIGHTS[of],
                "root_sha256": WEIGHTS["dense"],
                "parameters": 1000,
            },
            "parameters": parameters,
            "non_zeros": non_zeros,
        },
    }


def dense():
    return {
        "name": "digits",
        "weights": "embedded",
        "weights_sha256": WEIGHTS["dense"],
        "classes": 10,
    }


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "study"
    cut = variant(p_prune=0.5, p_bern=1.0)
    again = {**cut, "recalibrate": 64}
    write_study(
        folder,
        [
            (None, samples(HITS["dense"])),
            (cut, samples(HITS["pruned"])),
            (again, samples(HITS["recalibrated"])),
        ],
        network=dense(),
    )
    for stage, of, parameters in (("retrained", "dense", 1000), ("removed", "retrained", 600)):
        network = made(stage, of, parameters=parameters)
        write_study(folder, [(None, samples(HITS[stage]))], network=network)
    return load_study(folder)


def test_each_stage_is_compared_with_the_dense_network_it_was_made_of(study):
    (found,) = stages(sets_of(study))
    assert [stage.name for stage in found] == list(HITS)
    assert found[0].comparison is None
    for stage in found[1:]:
        hits = sum(HITS[stage.name])
        assert stage.comparison.baseline is found[0].records
        assert stage.comparison.difference == pytest.approx(100 * (hits - 9) / 10)


def test_left_is_what_is_neither_zero_nor_masked(study):
    (found,) = stages(sets_of(study))
    assert [stage.parameters for stage in found] == [1, 1, 1, 1, 0.6]
    zeroed = study[1]["realised"]["network_zeroed_ratio"]
    assert [stage.left for stage in found] == [1, 1 - zeroed, 1 - zeroed, 0.5, 0.5]


def test_where_nothing_is_behind_pruning_there_are_no_stages(study):
    assert stages(sets_of(study)[:2]) == []
    assert stages_section([sets_of(study)[:2]]) is None


def test_a_file_whose_dense_network_was_not_evaluated_stands_nowhere(study):
    assert stages([each for each in sets_of(study) if each.first["network"].get("made")]) == []


def test_a_stage_between_need_not_be_evaluated(study):
    sets = [each for each in sets_of(study) if "retrained" not in each.first["network"]["name"]]
    (found,) = stages(sets)
    assert [stage.name for stage in found] == ["dense", "pruned", "recalibrated", "removed"]


@pytest.mark.parametrize("copied", ["dense", "retrained"])
def test_a_file_of_the_same_weights_hides_nothing(study, tmp_path, copied):
    network = made(copied, copied)
    network["name"] = "packed:copy.safetensors"
    write_study(tmp_path / "copy", [(None, samples(HITS[copied]))], network=network)
    copy = sets_of(load_study(tmp_path / "copy"))
    for sets in ([*sets_of(study), *copy], [*copy, *sets_of(study)]):
        (found,) = stages(sets)
        assert {stage.name for stage in found} == set(HITS)


def test_the_page_draws_a_mark_and_a_row_for_each(study):
    (view,) = stages_section([sets_of(study)]).views
    assert [trace["name"] for trace in view.figure["data"]] == list(HITS)
    removed = view.figure["data"][-1]
    assert (removed["x"], removed["y"]) == ([0.5], [80.0])
    assert [row[0] for row in view.numbers.rows] == list(HITS)
    assert view.numbers.rows[-1][2:5] == ["60.00%", "50.00%", "80.000"]
    assert view.numbers.rows[-1][7] == "-10.000"
    assert len({len(row) for row in view.numbers.rows} | {len(view.numbers.head)}) == 1
