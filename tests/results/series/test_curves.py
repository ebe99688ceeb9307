"""Curves: what a point holds, what is a curve of its own, what is none."""

import math

import pytest

from network_prune.results.series.curves import curves
from network_prune.results.series.landing import landings
from tests.made_studies import random_study, samples, variant, write_study

MANY = [
    variant(method=method, p_prune=p_prune, p_bern=p_bern, index=index)
    for method in ("weights", "neurons")
    for p_prune in (0.5, 0.1, 0.3)
    for p_bern in (0.5, 1.0)
    for index in range(3)
]


def spread(hits, of=4):
    return samples([True] * hits + [False] * (of - hits))


def labels(study):
    return [(curve.network, curve.label) for curve in curves(study)]


def test_a_point_is_the_mean_of_its_draws_with_band_and_interval(tmp_path):
    draws = [(variant(p_prune=0.2, index=index), spread(hits)) for index, hits in enumerate((1, 3))]
    study = write_study(tmp_path, [(None, spread(4)), *draws])
    (curve,) = curves(study)
    dense, point = curve.points
    assert (dense.p_prune, dense.p_bern, dense.ratio, dense.draws) == (0, 0, 0, 0)
    assert (dense.acc1.mean, dense.acc1.interval[1]) == (100, 100)
    assert (point.p_prune, point.p_bern, point.draws, point.n) == (0.2, 0.5, 2, 4)
    assert point.ratio == pytest.approx(0.1)
    assert (point.acc1.mean, point.acc1.lowest, point.acc1.highest) == (50, 25, 75)
    ends = [record["metrics"]["acc1_interval"] for record in study[1:]]
    assert point.acc1.interval == tuple((a + b) / 2 for a, b in zip(*ends, strict=True))
    # 0.5 nats where right, 2 where wrong.
    assert point.loss.mean == pytest.approx(1.25)
    assert point.keys == tuple(record["key"] for record in study[1:])


def test_the_interval_of_draws_that_agree_is_that_of_one(tmp_path):
    draws = [(variant(index=index), spread(3)) for index in range(20)]
    study = write_study(tmp_path, draws)
    ((point,),) = (curve.points for curve in curves(study))
    assert point.acc1.interval == pytest.approx(study[0]["metrics"]["acc1_interval"])


def test_curves_run_along_p_prune_by_rising_ratio(tmp_path):
    found = curves(random_study(tmp_path, MANY))
    assert [curve.label for curve in found] == [
        f"{method} p_bern={p_bern}" for method in ("weights", "neurons") for p_bern in (0.5, 1)
    ]
    for curve in found:
        assert [point.p_prune for point in curve.points] == [0, 0.1, 0.3, 0.5]
        assert {point.draws for point in curve.points[1:]} == {3}


def test_a_curve_of_one_p_prune_runs_along_p_bern(tmp_path):
    (curve,) = curves(random_study(tmp_path, [variant(p_bern=p) for p in (1.0, 0.25, 0.5)]))
    assert curve.label == "weights"
    assert [point.p_bern for point in curve.points] == [0, 0.25, 0.5, 1]


def test_what_a_curve_runs_along_is_no_part_of_its_name(tmp_path):
    # As in the README's tables: fewer p_prunes at p_bern 0.5, and a method with one p_prune.
    grid = [variant(p_prune=p, p_bern=1.0) for p in (0.1, 0.2)]
    grid += [variant(p_prune=0.2, p_bern=0.5), variant(method="neurons", p_prune=0.05)]
    assert labels(random_study(tmp_path, grid)) == [
        ("digits", "weights p_bern=1"),
        ("digits", "weights p_bern=0.5"),
        ("digits", "neurons p_bern=0.5"),
    ]


def test_seeds_are_draws_and_scores_are_curves(tmp_path):
    study = random_study(tmp_path, [variant(seed=0), variant(seed=1), variant(score="lamp")])
    assert labels(study) == [("digits", "weights"), ("digits", "weights score=lamp")]
    assert [curve.points[-1].draws for curve in curves(study)] == [2, 1]


def test_what_no_table_column_says_is_said_of_each_curve(tmp_path):
    one = random_study(tmp_path / "a", [variant()], versions={"torch": "2.15.0"})
    other = random_study(tmp_path / "b", [variant()], versions={"torch": "2.16.0"})
    assert labels([*one, *other]) == [
        ("digits", "weights torch=2.15.0"),
        ("digits", "weights torch=2.16.0"),
    ]
    assert [curve.points[0].draws for curve in curves([*one, *other])] == [0, 0]


def test_other_bytes_under_one_name_are_other_curves(tmp_path):
    one = random_study(tmp_path / "a", [variant()])
    other = [dict(record) for record in random_study(tmp_path / "b", [variant()])]
    for record in other:
        record["network"] = {**record["network"], "weights_sha256": "f" * 64}
    assert [label for _, label in labels([*one, *other])][
        1
    ] == "weights weights_sha256=ffffffffffff"


def test_networks_of_other_names_are_apart(tmp_path):
    one = random_study(tmp_path / "a", [variant()], network="resnet18", weights="V1")
    other = random_study(tmp_path / "b", [variant()], network="resnet50", weights="V1")
    assert labels([*one, *other]) == [("resnet18 (V1)", "weights"), ("resnet50 (V1)", "weights")]


def test_without_a_dense_record_a_curve_begins_with_its_first_variant(tmp_path):
    (curve,) = curves(write_study(tmp_path, [(variant(), spread(1))]))
    assert [point.p_prune for point in curve.points] == [0.2]


def test_layers_pruned_alone_and_comparisons_of_draws_are_no_curves(tmp_path):
    study = random_study(tmp_path, [variant(), variant(p_prune=0.3)])
    for record in study:
        if record["variant"]:
            record["diversity"] = {"draws": 2}
    assert curves(study) == []
    alone = random_study(tmp_path / "alone", [variant(scope="layer", include=["conv1"])])
    alone[1]["realised"]["layers"] = alone[1]["realised"]["layers"][:1]
    assert curves(alone) == []
    assert curves([]) == []


def test_a_loss_that_is_nan_in_one_draw_is_nan(tmp_path):
    study = random_study(tmp_path, [variant(index=0), variant(index=1)])
    study[1]["metrics"].update(loss=None, loss_interval=[None, None])
    ((_, point),) = (curve.points for curve in curves(study))
    assert math.isnan(point.loss.mean)
    assert all(map(math.isnan, (point.loss.lowest, point.loss.highest, *point.loss.interval)))
    assert not math.isnan(point.acc1.mean)


def test_a_draw_counts_once_the_last(tmp_path):
    study = random_study(tmp_path, [variant(index=index) for index in range(2)])
    earlier = [{**record, "metrics": {**record["metrics"], "acc1": 0.0}} for record in study]
    assert curves([*earlier, *study]) == curves(study)
    assert landings([*earlier, *study]) == landings(study)
