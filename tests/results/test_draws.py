"""Draws of a variant, averaged as they come by."""

import math
import statistics

import pytest

from network_prune.results.groups import Draws, draws_of, grouped_draws
from tests.made_studies import random_study, variant

DRAWS = 4


@pytest.fixture
def study(tmp_path):
    ways = [
        variant(p_prune=p, seed=seed, index=index)
        for index in range(DRAWS)
        for p in (0.2, 0.5)
        for seed in (0, 1)
    ]
    return random_study(tmp_path, ways, n=50)


def test_groups_are_those_of_all_records_at_once(study):
    found = grouped_draws(iter(study))
    assert len(found[0]) == 1
    assert found[0].indices == []
    for draws, records in zip(found[1:], draws_of(study), strict=True):
        assert len(draws) == len(records) == DRAWS
        assert draws.indices == list(range(DRAWS))
        for name in ("loss", "acc1", "acc5"):
            values = [record["metrics"][name] for record in records]
            assert draws.mean(name) == statistics.fmean(values)
            assert draws.deviation(name) == statistics.stdev(values)
        losses = [record["difference"]["loss_difference"] for record in records]
        assert draws.row()["loss_difference_mean"] == statistics.fmean(losses)


def test_a_row_holds_the_settings_and_not_the_draw(study):
    row = grouped_draws(study)[2].row()
    assert (row["method"], row["seed"], row["draws"], row["n"]) == ("weights", 1, DRAWS, 50)
    assert "index" not in row


def test_of_one_draw_the_last_record_counts(study):
    first = study[1]
    again = {**first, "metrics": {**first["metrics"], "acc1": 12.5}}
    draws = Draws.of([first, again])
    assert len(draws) == 1
    assert draws.mean("acc1") == 12.5
    assert math.isnan(draws.deviation("acc1"))


def test_what_one_draw_has_no_number_for_has_no_mean(study):
    first, second = study[1], study[5]
    second = {**second, "metrics": {**second["metrics"], "loss": None}, "difference": None}
    row = Draws.of([first, second]).row()
    assert (row["loss_mean"], row["loss_sd"], row["acc1_difference_mean"]) == (None, None, None)
    assert row["acc1_mean"] is not None


def test_layers_and_images_arent_kept(study):
    first = Draws(study[1]).first
    assert "layers" not in first["realised"]
    assert first["outcomes"] is None
