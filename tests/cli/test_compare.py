"""``network-prune compare`` from studies that were never run."""

import json

import pytest

import network_prune
from network_prune.errors import ArgumentError, SourceError
from network_prune.results.images import Images
from tests.made_studies import random_study, samples, variant, write_study

DENSE = [True] * 16 + [False] * 4
LOST_8 = [False] * 8 + [True] * 8 + [False] * 4
LOST_2_WON_1 = [False] * 2 + [True] * 15 + [False] * 3
NAMES = [f"cats/{i}.png" for i in range(20)]
SHOWN = Images([i % 2 for i in range(20)], NAMES, {0: "tabby", 1: "lion"})
HITS = [
    (None, DENSE),
    (variant(p_prune=0.4), LOST_8),
    (variant(p_prune=0.1), LOST_2_WON_1),
    (variant(p_prune=0.1, index=1), DENSE),
]


def write(folder, hits=HITS, **options):
    found = [(what, samples(own)) for what, own in hits]
    return write_study(folder, found, **{"shown": SHOWN, **options})


@pytest.fixture
def study(tmp_path):
    return write(tmp_path / "a")


@pytest.fixture
def folder(study):
    return study.source


def rows(out):
    lines = [line for line in out.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_grid_is_compared_with_its_dense_network_and_put_in_tie_groups(run, folder):
    outcome = run("compare", folder)
    assert (outcome.code, outcome.err) == (0, "")
    head, *found = rows(outcome.out)
    assert head == [
        "network", "method", "p_prune", "p_bern", "draw", "images", "pruning ratio", "group",
        "Acc@1", "difference [95%]", "p", "won", "lost", "smallest",
    ]  # fmt: skip
    dense, light, heavy = [dict(zip(head, row, strict=True)) for row in found]
    assert (dense["method"], dense["group"], dense["Acc@1"]) == ("dense", "a", "80.000")
    assert (light["draw"], light["group"], light["Acc@1"]) == ("2 draws", "a", "77.500")
    assert (light["won"], light["lost"]) == ("0.5", "1")
    assert heavy["difference [95%]"].startswith("-40.000 [-58.")
    # 2 · 0.5 ** 8, twice for two comparisons.
    assert (heavy["group"], heavy["p"], heavy["won"], heavy["lost"]) == ("b", "0.0156", "0", "8")
    assert "adjusted for 2 comparisons (Holm)" in outcome.out
    assert "group: sets with a letter can't be told from the best one with it" in outcome.out


def test_of_two_variants_the_first_is_the_baseline(run, folder, study):
    heavy, light = f"{folder}#{study[1]['key'][:8]}", f"{folder}#p_prune=0.1,index=0"
    (found,) = json.loads(run("compare", heavy, light, "--json").out)["comparisons"]
    assert (found["acc1"], found["acc1_difference"]) == ([75.0, 40.0], 35.0)
    assert (found["gained1"], found["lost1"]) == (7, 0)
    assert found["p"] == found["p_adjusted"] == 2 / 2**7
    assert found["variant"] == [study[2]["key"]]
    back = json.loads(run("compare", light, heavy, "--json").out)["comparisons"][0]
    assert back["acc1_difference"] == -35.0
    text = run("compare", heavy, light).out
    assert "digits weights p_prune 0.4 p_bern 0.5 draw 0/0 |" in text
    assert "p: two-sided, by the exact McNemar test for one draw each\n" in text


def test_conditions_whose_values_have_commas_and_where_choose_together(run, folder):
    selected = f"{folder}#method=weights,mean=0.305,p_prune=0.1"
    (found,) = json.loads(run("compare", selected, "--where", "index=1", "--json").out)[
        "comparisons"
    ]
    assert (found["acc1_difference"], found["p"]) == (0.0, 1.0)


def test_one_study_is_compared_with_a_variant_of_it(run, folder):
    found = json.loads(run("compare", folder, "--to", "p_prune=0.4", "--json").out)
    differences = [each["acc1_difference"] for each in found["comparisons"]]
    assert differences == pytest.approx([40.0, 37.5])


def test_studies_of_two_networks_are_matched_by_equal_settings(run, tmp_path, folder):
    hits = [(None, LOST_8), (variant(p_prune=0.4), DENSE), (variant(p_prune=0.7), DENSE)]
    write(tmp_path / "b", hits, network="other")
    outcome = run("compare", folder, tmp_path / "b")
    head, *found = rows(outcome.out)
    shown = [dict(zip(head, row, strict=True)) for row in found]
    assert [row["compared with"] for row in shown] == [
        "digits dense", "digits weights p_prune 0.4 p_bern 0.5 draw 0/0",
    ]  # fmt: skip
    assert [row["difference [95%]"].split()[0] for row in shown] == ["-40.000", "+40.000"]
    assert "2 sets have no other of equal settings: digits weights p_prune 0.1" in outcome.out


def test_methods_of_one_study_are_matched_by_the_rest(run, tmp_path):
    variants = [variant(method=m, p_prune=p) for m in ("weights", "neurons") for p in (0.1, 0.2)]
    folder = random_study(tmp_path, variants).source
    found = run("compare", f"{folder}#method=weights", f"{folder}#method=neurons", "--json")
    pairs = [
        (each["baseline_label"], each["variant_label"])
        for each in json.loads(found.out)["comparisons"]
    ]
    assert pairs == [
        tuple(f"digits {m} p_prune {p} p_bern 0.5 draw 0/0" for m in ("weights", "neurons"))
        for p in (0.1, 0.2)
    ]


def test_what_alone_sets_two_runs_apart_is_said(run, tmp_path, folder):
    newer = {"network_prune": "0.1.0", "torch": "2.16.0", "python": "3.11.7"}
    other = write(tmp_path / "b", versions=newer).source
    out = run("compare", f"{folder}#method=dense", f"{other}#method=dense").out
    assert "| digits | dense torch=2.16.0 | digits dense torch=2.15.0 |" in out


def test_images_are_named_with_their_classes(run, folder):
    args = ("compare", f"{folder}#method=dense", f"{folder}#p_prune=0.1,index=0", "--images")
    out = run(*args).out
    assert "| lost | cats/0.png | tabby | 0% | 100% |" in out
    assert "| lost | cats/1.png | lion | 0% | 100% |" in out
    assert "| won | cats/16.png | tabby | 100% | 0% |" in out
    (found,) = json.loads(run(*args, "--json").out)["comparisons"]
    assert [image["name"] for image in found["images_lost"]] == NAMES[:2]
    assert found["images_won"] == [
        {
            "position": 16,
            "name": "cats/16.png",
            "class": "tabby",
            "variant_share": 1.0,
            "baseline_share": 0.0,
        }
    ]


def test_of_many_images_the_rest_is_counted(run, tmp_path):
    hits = [(None, [True] * 50), (variant(), [False] * 50)]
    folder = write(tmp_path, hits, shown=Images([0] * 50)).source
    out = run("compare", folder, "--images").out
    assert out.count("\n| lost |") == 21
    assert "| lost | and 30 more; --json has all |" in out
    found = json.loads(run("compare", folder, "--images", "--json").out)["comparisons"][0]
    assert len(found["images_lost"]) == 50
    assert found["images_lost"][49]["name"] == "image 49"


def test_markdown_is_a_table_and_a_list(run, folder):
    out = run("compare", folder, "--markdown").out
    table, foot = out.split("\n\n")
    assert all(line.startswith("|") for line in table.splitlines())
    assert all(line.startswith("- ") for line in foot.splitlines())


def test_a_loss_that_may_be_too_large_ends_with_1_and_is_named(run, folder):
    outcome = run("compare", folder, "--max-drop", "40")
    assert outcome.code == 1
    assert outcome.err.startswith(
        "network-prune: error: 1 of 2 may lose more than 40 points: digits weights p_prune 0.4 "
        "p_bern 0.5 draw 0/0 less digits dense: -40.000 [-58."
    )
    assert "| digits | weights | 0.4 |" in outcome.out
    assert run("compare", folder, "--max-drop", "60").code == 0
    # The point alone would pass.
    assert run("compare", folder, "--where", "p_prune=0.1", "--max-drop", "3").code == 1


def test_a_bound_on_nothing_is_refused(run, tmp_path):
    write(tmp_path, [(None, DENSE)])
    write(tmp_path, [(None, LOST_8)], network="other")
    assert [row[7] for row in rows(run("compare", tmp_path).out)[1:]] == ["a", "b"]
    outcome = run("compare", tmp_path, "--max-drop", "1")
    assert outcome.code == 2
    assert "max_drop=1 holds for nothing, as dense networks alone are chosen" in outcome.err


def test_of_many_losses_the_first_are_named(run, tmp_path):
    variants = [(variant(p_prune=p / 10), LOST_8) for p in range(1, 7)]
    folder = write(tmp_path, [(None, DENSE), *variants]).source
    assert "; and 3 more" in run("compare", folder, "--max-drop", "0").err


def test_json_goes_to_a_file_as_well(run, folder, tmp_path):
    path = tmp_path / "found.json"
    out = run("compare", folder, "--output", path).out
    assert out.startswith("| network |")
    assert json.loads(path.read_text()) == json.loads(run("compare", folder, "--json").out)


def test_without_outcomes_the_dense_network_is_compared_and_no_other(run, refused, tmp_path):
    folder = write(tmp_path / "b", outcomes=False).source
    head, *found = rows(run("compare", folder).out)
    assert "group" not in head
    assert len(found) == 2
    line = refused("compare", folder, "--to", "p_prune=0.4")
    assert f"{folder} has no outcomes of digits" in line
    assert "run the sweep again into another folder, without --no-outcomes" in line
    assert "has no outcomes" in refused("compare", folder, "--images")


def test_outcomes_that_are_damaged_are_as_if_they_werent_there(run, folder):
    path = f"{folder}/outcomes.jsonl"
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(text.replace('"data":"', '"data":"x'))
    assert "group" not in rows(run("compare", folder).out)[0]


def test_a_half_written_last_line_is_told(run, folder):
    with open(f"{folder}/records.jsonl", "a") as file:
        file.write('{"schema": 2, "ke')
    outcome = run("compare", folder)
    assert outcome.code == 0
    assert "records.jsonl" in outcome.err
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["#zz"], "has no records whose key starts with 'zz'"),
        (["#"], None),
        (["#p_prune=0.9"], "no records of"),
        (["#colour=red"], "unknown column 'colour'"),
        (["#p_prune=x"], "p_prune has numbers; pass one"),
        (["", "--to", "p_prune=0.1", "--where", "nothing"], "has no '='"),
        (["", "--to", "method=weights"], "is 2 variants of"),
        (["#method=dense"], "digits dense is all that is chosen"),
        (["", "--max-drop", "-1"], "max_drop=-1.0 is no loss; pass percentage points"),
        (["", "--max-drop", "nan"], "max_drop=nan is no loss"),
        (["", "--json", "--markdown"], "--json and --markdown exclude each other"),
        (["", "--output", "nowhere/x.json"], "cannot write nowhere/x.json"),
    ],
)
def test_wrong_calls_are_one_line(run, refused, folder, arguments, text):
    first, *others = arguments
    if text is None:
        assert run("compare", folder + first, *others).code == 0
    else:
        code = 1 if "--output" in others else 2
        assert text in refused("compare", folder + first, *others, code=code)


def test_a_key_of_several_records_is_refused(refused, tmp_path):
    variants = [(variant(index=i), DENSE) for i in range(17)]
    study = write(tmp_path, [(None, DENSE), *variants])
    starts = [record["key"][0] for record in study]
    start = next(start for start in starts if starts.count(start) > 1)
    assert f"records whose key starts with '{start}'" in refused("compare", f"{tmp_path}#{start}")


def test_what_cant_be_paired_is_refused(refused, tmp_path, folder):
    other = write(tmp_path / "b", [(variant(p_prune=0.8, index=i), DENSE) for i in (0, 1)]).source
    assert "has no record of the dense network of" in refused("compare", other)
    assert "is for one study" in refused("compare", folder, other, "--to", "p_prune=0.1")


def test_other_images_are_refused(refused, tmp_path, folder):
    hits = [(None, DENSE), (variant(), LOST_8)]
    other = write(tmp_path / "b", hits, data="others").source
    assert "are other images; compare variants evaluated on" in refused("compare", folder, other)


def test_a_folder_without_records_is_refused(refused, tmp_path):
    assert "holds no records.jsonl" in refused("compare", tmp_path)
    (tmp_path / "records.jsonl").write_text("")
    assert f"no records of {tmp_path}" in refused("compare", tmp_path)


def test_a_folder_with_a_number_sign_is_a_folder(run, tmp_path):
    folder = write(tmp_path / "a#1").source
    assert run("compare", folder).code == 0
    assert run("compare", f"{folder}#p_prune=0.4").code == 0


def test_names_that_would_be_markup_stay_in_their_cells(run, tmp_path):
    names = ["a|b.png", "\x1b[31mred\x07.png", "two\nlines", *NAMES[3:]]
    shown = Images([0] * 20, names, {0: "x|\x1b]0;title\x07"})
    study = write(tmp_path, [(None, DENSE), (variant(), LOST_8)], shown=shown, network="n|\x1b[2J")
    for options in ((), ("--markdown",)):
        out = run("compare", study.source, "--images", *options).out
        assert "\x1b" not in out
        assert "\x07" not in out
        assert r"a\|b.png" in out
    assert "\x1b" not in run("compare", study.source, "--max-drop", "0").err


def test_python_takes_studies_paths_and_conditions(study, folder):
    for source in (study, folder):
        found = network_prune.compare(source, where="p_prune=0.4")
        (comparison,) = found.comparisons
        assert comparison.difference == -40.0
        assert str(found).startswith("| network |")
        assert found.to_dict()["comparisons"][0]["acc1_difference"] == -40.0
    pair = network_prune.compare(study.where("p_prune=0.4"), study.where("p_prune=0.1"))
    assert [each.difference for each in pair.comparisons] == [37.5]
    with pytest.raises(ArgumentError, match="nothing to compare; pass one study or more"):
        network_prune.compare()


def test_a_set_that_matches_several_is_refused(tmp_path, study):
    other = write(
        tmp_path / "b",
        [
            (variant(p_prune=p, method=m), DENSE)
            for p in (0.1, 0.4)
            for m in ("neurons", "connections")
        ],
    )
    with pytest.raises(ArgumentError, match="match the same variants on the other side; choose"):
        network_prune.compare(study, other)
    apart = write(
        tmp_path / "c",
        [(variant(p_prune=p, score=s), DENSE) for p, s in ((0.1, "l2"), (0.8, "l1"))],
    )
    with pytest.raises(ArgumentError, match="have equal settings; choose one on each side"):
        network_prune.compare(study, apart)


def test_studies_of_one_network_on_other_data_are_refused_as_a_whole(tmp_path, study):
    other = write(tmp_path / "b", [(None, DENSE), (variant(), DENSE)], data="others")
    both = study._of([*study, *other])
    with pytest.raises(SourceError, match="are other images"):
        network_prune.compare(both)
