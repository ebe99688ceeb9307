"""Sets of draws, compared image by image: worked by hand, against scipy, and without outcomes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from network_prune.errors import SourceError
from network_prune.evaluation.paired import matched_interval
from network_prune.results.comparing.comparison import compare_sets
from network_prune.results.comparing.lost import changed_images, class_accuracies, lost_by_all
from network_prune.results.comparing.sets import RecordSet, check_same_images, images_id, sets_of
from network_prune.results.images import Images
from network_prune.results.study import Study, load_study
from tests import oracle
from tests.made_studies import images, random_study, samples, variant, write_study

DENSE = [True] * 8 + [False] * 2
ONE = [True] * 5 + [False] * 4 + [True]  # loses 5, 6, 7 and wins 9
TWO = [True] * 6 + [False] * 4  # loses 6 and 7


@pytest.fixture
def study(tmp_path):
    found = [(None, DENSE), (variant(index=1), TWO), (variant(index=0), ONE)]
    found.append((variant(p_prune=0.4), TWO))
    return write_study(tmp_path / "study", [(what, samples(hits)) for what, hits in found])


def test_draws_of_a_variant_are_one_set(study):
    dense, draws, other = sets_of(study)
    assert dense.is_dense
    assert [record["variant"]["index"] for record in draws.records] == [0, 1]
    assert (dense.draws, draws.draws, other.draws) == ("–", "2 draws", "0/0")
    assert draws.label == "digits weights p_prune 0.2 p_bern 0.5 2 draws"
    assert other.label == "digits weights p_prune 0.4 p_bern 0.5 draw 0/0"
    assert repr(dense) == "RecordSet(digits dense)"
    assert draws.mean == 60.0
    assert draws.hits1.tolist() == [ONE, TWO]
    assert (dense.ratio, round(draws.ratio, 9)) == (0.0, 0.1)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("network", "weights_sha256"), "other"),
        (("preprocessing", "resize"), 33),
        (("asked", "running", "fold"), False),
        (("versions", "torch"), "2.16.0"),
        (("score_data",), {"identity": "x", "n": 3, "name": "y"}),
        (("variant", "include"), ["conv1"]),
    ],
)
def test_what_else_decides_figures_sets_records_apart(study, path, value):
    records = [*study]
    place = records[1] = load_study(study.source)[1]
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    assert len(sets_of(Study(records))) == 4


def test_of_several_records_of_one_draw_the_last_counts(study):
    again = {**study[1], "key": "again"}
    _, draws, _ = sets_of(Study([*study, again]))
    assert [record["key"] for record in draws.records] == [study[2]["key"], "again"]


def test_single_draws_worked_by_hand(study):
    dense, _, other = sets_of(study)
    found = compare_sets(other, dense)
    assert (found.n, found.left_out, found.draws) == (10, 0, (1, 1))
    assert (found.gained, found.lost, found.acc1) == (0, 2, (60.0, 80.0))
    assert found.difference == -20.0
    assert found.interval == matched_interval(0, 2, 10)
    assert found.p == 0.5
    assert found.smallest == pytest.approx(71.584, abs=1e-3)
    mirrored = compare_sets(dense, other)
    assert (mirrored.difference, mirrored.p) == (20.0, 0.5)


def test_sets_of_draws_worked_by_hand(study):
    dense, draws, _ = sets_of(study)
    found = compare_sets(draws, dense)
    # Draw 0 loses three and wins one, draw 1 loses two: 2.5 and 0.5 on average.
    assert (found.gained, found.lost, found.draws) == (0.5, 2.5, (2, 1))
    assert found.difference == -20.0
    interval, p = oracle.two_way([ONE, TWO], [DENSE])
    assert found.interval == pytest.approx(interval)
    assert found.p == pytest.approx(p)


HITS = st.integers(1, 12).flatmap(
    lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=2, max_size=5)
)


class Given(RecordSet):
    """A set whose hits are given."""

    def __new__(cls, hits):
        made = object.__new__(cls)
        vars(made)["_codes"] = 3 * np.array(hits, np.uint8)
        return made

    def __init__(self, hits):
        record = {"data": {"images": "same"}, "metrics": {"n": len(hits[0])}}
        super().__init__(Study([]), [record] * len(hits))


@given(HITS, st.data())
def test_comparisons_are_those_of_a_loop(hits, data):
    cut = data.draw(st.integers(1, len(hits) - 1))
    one, other = hits[:cut], hits[cut:]
    found = compare_sets(Given(one), Given(other))
    pairs = [(a, b) for a in one for b in other]
    assert found.gained == pytest.approx(
        sum(x and not y for a, b in pairs for x, y in zip(a, b, strict=True)) / len(pairs)
    )
    assert found.difference == pytest.approx(100 * float(np.mean(one) - np.mean(other)))
    assert found.p == pytest.approx(oracle.difference_p(one, other), abs=1e-12)
    if len(hits) == 2:
        gained, lost = int(found.gained), int(found.lost)
        assert found.p == pytest.approx(
            stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1
        )
        assert found.interval == matched_interval(gained, lost, found.n)


def test_images_that_either_side_couldnt_read_are_left_out_and_counted(study):
    from network_prune.evaluation.outcomes import LEFT_OUT

    dense, _, other = sets_of(study)
    codes = dense.codes.copy()
    codes[0, 7] = LEFT_OUT
    vars(dense)["_codes"] = codes
    found = compare_sets(other, dense)
    assert (found.n, found.left_out, found.lost) == (9, 1, 1)
    assert found.acc1 == pytest.approx((100 * 6 / 9, 100 * 7 / 9))
    assert [each.position for each in changed_images(other, dense)[0]] == [6]
    vars(dense)["_codes"] = np.full_like(codes, LEFT_OUT)
    vars(dense).pop("seen")
    empty = compare_sets(other, dense)
    assert (empty.n, empty.p, empty.left_out) == (0, 1.0, 10)
    assert math.isnan(empty.difference)
    assert empty.to_dict()["acc1_interval"] == [None, None]


def test_without_outcomes_the_dense_network_is_compared_by_counts(tmp_path):
    found = [(None, DENSE), (variant(), ONE), (variant(index=1), TWO), (variant(p_prune=0.4), TWO)]
    found = [(what, samples(hits)) for what, hits in found]
    dense, draws, other = sets_of(write_study(tmp_path / "a", found, outcomes=False))
    same = sets_of(write_study(tmp_path / "b", found))
    assert compare_sets(other, dense).to_dict() == compare_sets(same[2], same[0]).to_dict()
    wide, narrow = compare_sets(draws, dense), compare_sets(same[1], same[0])
    assert (wide.gained, wide.lost, wide.acc1) == (narrow.gained, narrow.lost, narrow.acc1)
    # Images that some draws change count as if all did.
    assert wide.interval[0] <= narrow.interval[0] < narrow.interval[1] <= wide.interval[1]
    for one, two in ((draws, other), (dense, other)):
        with pytest.raises(
            SourceError, match=r"no outcomes of digits .*; run the sweep again into"
        ):
            compare_sets(one, two)


def test_draws_on_other_numbers_of_images_are_refused_without_outcomes(tmp_path):
    found = [(None, DENSE), (variant(), ONE), (variant(index=1), TWO)]
    study = write_study(tmp_path, [(w, samples(h)) for w, h in found], outcomes=False)
    study[2]["difference"]["n"] = 9
    dense, draws = sets_of(study)
    with pytest.raises(SourceError, match="are on other numbers of images"):
        compare_sets(draws, dense)


def test_other_images_are_refused_by_what_differs(tmp_path, study):
    other = write_study(tmp_path / "b", [(None, samples([True] * 10))], data="others")
    with pytest.raises(SourceError) as error:
        compare_sets(sets_of(other)[0], sets_of(study)[0])
    text = str(error.value)
    assert f"the 10 images of others ({images_id(other[0])[:12]}) under digits dense" in text
    assert "the 10 images of digits (" in text
    assert "chosen e.g. with --where data=NAME" in text


def test_images_are_the_same_if_their_labels_numbers_alone_differ(study):
    record = {**study[0], "data": {**study[0]["data"], "identity": "numbered otherwise"}}
    other = Study([record], study.store)
    assert compare_sets(sets_of(other)[0], sets_of(study)[0]).difference == 0.0
    # An earlier version recorded no hash of the images alone.
    record["data"].pop("images")
    with pytest.raises(SourceError, match="are other images"):
        compare_sets(sets_of(other)[0], sets_of(study)[0])
    record["data"]["identity"] = study[0]["data"]["identity"]
    assert compare_sets(sets_of(other)[0], sets_of(study)[0]).difference == 0.0


def test_lost_and_won_images_the_surest_first(study):
    dense, draws, _ = sets_of(study)
    lost, won = changed_images(draws, dense)
    assert [(each.position, each.shares) for each in lost] == [
        (6, (0.0, 1.0)), (7, (0.0, 1.0)), (5, (0.5, 1.0)),
    ]  # fmt: skip
    assert [(each.position, each.shares) for each in won] == [(9, (0.5, 0.0))]


def test_images_that_all_draws_lose(study):
    dense, draws, other = sets_of(study)
    assert lost_by_all([draws], dense).tolist() == [6, 7]
    assert lost_by_all([draws, other], dense).tolist() == [6, 7]


def test_accuracy_of_each_class(study):
    _, draws, _ = sets_of(study)
    shown = Images([3] * 5 + [7] * 5, (), {7: "seven"})
    three, seven = class_accuracies(draws, shown)
    assert (three.label, three.name, three.n, three.acc1) == (3, "3", 5, 100.0)
    assert (seven.label, seven.name, seven.n, seven.acc1) == (7, "seven", 5, 20.0)


def test_classes_add_up_to_the_whole(tmp_path):
    study = random_study(tmp_path, [variant(index=i) for i in range(3)], n=60)
    found = class_accuracies(sets_of(study)[1], images(60))
    assert sum(each.n * each.acc1 for each in found) / 60 == pytest.approx(sets_of(study)[1].mean)


def relabelled(folder, labels, **options):
    """A study on the same pictures under these labels."""
    data = {"name": "A.csv", "n": 4, "images": "same", "classes_by": "number"}
    data["identity"] = str(labels)
    right = samples([label == 0 for label in labels])
    study = write_study(folder, [(None, right)], shown=Images(labels), **options)
    return Study([{**record, "data": data} for record in study], study.store)


@pytest.mark.parametrize(
    ("labels", "network", "agree"),
    [
        ([0, 0, 1, 1], "digits", True),
        ([1, 1, 0, 0], "digits", False),
        ([0, 1, 1, 1], "digits", False),
        ([1, 1, 0, 0], "numbered otherwise", True),
        ([0, 1, 1, 1], "numbered otherwise", False),
    ],
)
def test_pictures_with_other_labels_are_refused(tmp_path, labels, network, agree):
    one = relabelled(tmp_path / "one", [0, 0, 1, 1])
    other = relabelled(tmp_path / "other", labels, network=network)
    sets = [*sets_of(one), *sets_of(other)]
    if agree:
        check_same_images(sets)
        return
    with pytest.raises(SourceError, match="are the same images with other labels"):
        check_same_images(sets)
