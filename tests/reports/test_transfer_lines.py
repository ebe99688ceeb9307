"""Tables of transfer runs: what they say, how wide they are, and what they warn of."""

import pytest

from network_prune.reports.transfer.lines import transfer_lines
from network_prune.transfer.figures.compared import compare_sets
from network_prune.transfer.figures.sets import sets_of
from tests.transfer.attacked_rows import attacked, folder, grid

ALL = ("none", "dwp", "rapa", "mup")


def lines(rows, **options):
    sets = sets_of(rows)
    return transfer_lines(sets, compare_sets(sets), **options)


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_table_for_each_goal_and_surrogate_a_row_each_augmentation():
    rows = grid(ALL, seeds=[0], n=100)
    found = lines(rows)
    start = found.index("net, targeted: images taken for their target, in percent of all images")
    assert cells(found[start + 2])[:4] == ["augmentation", "other", "third", "white-box"]
    assert [cells(line)[0] for line in found[start + 4 : start + 9]] == ["clean Acc@1", *ALL]
    dwp = sets_of(rows)[1]
    rate = dwp.success("other")
    assert cells(found[start + 6])[1] == f"{rate.percent:.1f} ± {rate.half:.1f}"
    assert cells(found[start + 7])[4:] == ["1", "40", "0.188", "7%"]
    assert sum(": success less that of none" in line for line in found) == 2


def test_all_lines_of_tables_fit_a_hundred_columns_whatever_the_victims():
    names = ["net", *(f"timm:tf_efficientnet_lite{n}" for n in range(9))]
    found = lines(grid(ALL, networks=names, seeds=[0], goals=["targeted"]))
    assert max(len(line) for line in found if line.startswith("|")) <= 100
    assert all(any(name in line for line in found) for name in names)


def test_the_summary_ends_it_and_says_where_it_helps():
    shares = {"dwp": {"other": 0.9, "third": 0.3}, "mup": {"other": 0.0, "third": 0.3}}
    found = lines(grid(ALL, seeds=[0], n=200, shares=shares))
    start = found.index("Where an augmentation helps and where it doesn't, against none")
    rows = {cells(line)[0]: cells(line)[1:] for line in found[start + 4 : start + 7]}
    assert rows["dwp"][0] == "4"
    assert rows["dwp"][2] == "2"
    assert rows["mup"][4] == "2"
    text = "\n".join(found[start:])
    assert "dwp helps: net → other, targeted +" in text
    assert "mup hurts: net → other, targeted -" in text
    assert "rapa: no difference is shown in any setting" in text


def test_unequal_passes_are_warned_of():
    rapa = {"augmentation": "rapa", "iterations": 40, "passes_per_iteration": 5}
    found = "\n".join(lines([attacked(), attacked(record=rapa)]))
    assert "warning: rows take from 40 to 200 passes; --passes N gives each the same" in found
    assert "warning: 2 of 2 comparisons are at unequal passes, e.g. rapa at 200 against 40" in found
    assert "warning" not in "\n".join(lines(grid(["none", "rapa"])))


def test_outputs_that_are_not_finite_are_warned_of():
    row = attacked()
    row.predictions.classes[1, -3, 0] = -1
    assert "warning: other: outputs that aren't finite are counted as" in "\n".join(lines([row]))


def test_two_seeds_are_told_to_leave_much_open():
    assert "two seeds leave one degree of freedom" in "\n".join(lines(grid(["none", "dwp"])))
    assert "two seeds" not in "\n".join(lines(grid(["none", "dwp"], seeds=[0])))


def test_an_upper_bound_is_a_row_and_its_own_networks_have_no_figure():
    bound = attacked(["net", "third"], record={"bound": ["other"], "passes_per_iteration": 2})
    found = lines([*grid(["none", "dwp"], goals=["targeted"]), bound])
    (row,) = [line for line in found if line.startswith("| bound:other")]
    assert cells(row)[1] == "–"
    assert cells(row)[2] != "–"
    assert not any("bound" in line for line in found[found.index("") + 12 :])


def test_what_has_none_beside_it_is_named():
    rows = [
        *grid(["none"], goals=["targeted"]),
        attacked(("b", "c"), record={"augmentation": "dwp"}),
    ]
    assert lines(rows)[-1] == (
        "without none beside them on all or some victims, and so not compared there: dwp"
    )


@pytest.mark.parametrize("name", ["a|b", "<i>", "x*y*"])
def test_in_markdown_names_are_text(name):
    found = lines(grid(["none", "dwp"], networks=["net", name]), markdown=True)
    assert "### net, targeted: images taken for their target, in percent of all images" in found
    assert name not in "\n".join(found).replace("\\" + name[0], "")
    assert any(line.startswith("- difference: in points") for line in found)


def test_an_ensemble_names_each_white_box():
    found = "\n".join(lines([attacked(record={"surrogates": 2})]))
    assert "net+other, targeted" in found
    assert "net (white-box) | other (white-box)" in found


def test_a_folder_of_another_attack_is_a_row_without_costs():
    found = lines([folder()])
    (row,) = [line for line in found if line.startswith("| folder:theirs")]
    assert cells(row)[4:] == ["1", "–", "–", "–"]
    assert "attack: folder theirs, L∞ 16/255" in found
