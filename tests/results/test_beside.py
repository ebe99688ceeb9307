"""What of a measured figure is said beside a published one."""

import math
import statistics

import pytest
from scipy import stats

from network_prune.results.published.beside import beside, is_of
from network_prune.results.published.figures import PublishedRow
from tests.made_studies import samples, variant, write_study

HITS = ((60, 64, 59, 70), 100)


def row(**values):
    usual = {"network": "digits", "weights": "embedded", "method": "weights", "p_prune": 0.2}
    usual |= {"p_bern": 0.5, "ratio": 0.1, "acc1": 64.0, "digits": 1, "images": 100}
    return PublishedRow(
        **{
            **usual,
            "data": "digits",
            "preprocessing": {"resize": 32},
            "source": "a paper",
            **values,
        }
    )


@pytest.fixture
def study(tmp_path):
    counts, n = HITS
    certain = variant(p_bern=1.0)
    found = [(variant(index=i), samples([j < c for j in range(n)])) for i, c in enumerate(counts)]
    return write_study(
        tmp_path,
        [(None, samples([True] * n)), *found, (certain, samples([True] * 50 + [False] * 50))],
    )


def of(study, **values):
    dense, drawn, certain = beside(study, [row(**values)])
    return {"dense": dense, "drawn": drawn, "certain": certain}


def test_one_more_draw_is_expected_in_the_interval_of_several(study):
    drawn = of(study)["drawn"]
    counts, n = HITS
    mean, spread = statistics.fmean(counts), statistics.stdev(counts)
    assert (drawn.measured("acc1"), drawn.spread("acc1")) == (mean, spread)
    half = stats.t(len(counts) - 1).ppf(0.975) * spread * math.sqrt(1 + 1 / len(counts))
    ends = [
        statistics.fmean(stats.binomtest(c, n).proportion_ci(method="wilson")[end] for c in counts)
        for end in (0, 1)
    ]
    low, high = drawn.interval("acc1")
    assert mean - low == pytest.approx(math.hypot(half, mean - 100 * ends[0]))
    assert high - mean == pytest.approx(math.hypot(half, 100 * ends[1] - mean))
    assert drawn.holds("acc1")
    assert not of(study, acc1=95.0)["drawn"].holds("acc1")
    assert drawn.difference("acc1") == pytest.approx(mean - 64)
    assert (drawn.difference("loss"), drawn.holds("loss")) == (None, None)


def test_a_record_alone_has_its_interval_over_images(study):
    certain = of(study, p_bern=1.0, acc1=50.0)["certain"]
    assert certain.interval("acc1") == tuple(certain.first["metrics"]["acc1_interval"])
    low, _ = certain.interval("acc1")
    assert of(study, p_bern=1.0, acc1=low - 0.04)["certain"].holds("acc1")  # as it was rounded
    assert not of(study, p_bern=1.0, acc1=low - 0.06)["certain"].holds("acc1")
    assert certain.spread("acc1") is None


def test_one_draw_says_nothing_of_the_others(study):
    (alone,) = beside([study[1]], [row()])
    assert (alone.interval("acc1"), alone.holds("acc1")) == (None, None)


def test_other_images_are_said(study):
    assert of(study)["drawn"].standing == ""
    assert of(study, images=500)["drawn"].standing == "other images"


def test_other_preprocessing_and_precision_are_said(study, tmp_path):
    assert of(study, preprocessing={"resize": 40})["drawn"].standing == "other preprocessing"
    asked = {**study[0]["asked"], "running": {**study[0]["asked"]["running"], "dtype": "bfloat16"}}
    (dense,) = beside([{**study[0], "asked": asked}], [row(p_prune=0, p_bern=0)])
    assert dense.standing == "other precision"


def test_published_figures_stand_beside_their_own_network_and_setting_alone(study, tmp_path):
    record = study[1]
    assert is_of(row(), record)
    others = {
        "network": "resnet18",
        "weights": "x",
        "method": "neurons",
        "p_prune": 0.3,
        "p_bern": 1,
    }
    for name, value in others.items():
        assert not is_of(row(**{name: value}), record)
    assert is_of(row(p_prune=0, p_bern=0), study[0])
    assert not is_of(row(), study[0])
    changes = ({"score": "lamp"}, {"scope": "layer"}, {"include": ["conv1"]}, {"with_norm": True})
    for number, change in enumerate(changes):
        found = [(None, samples([True] * 4)), (variant(**change), samples([True] * 4))]
        other = write_study(tmp_path / str(number), found)
        assert not is_of(row(), other[1])
