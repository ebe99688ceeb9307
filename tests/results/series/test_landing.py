"""Shares of layers that are prunable and pruned, as records count them."""

import pytest

from network_prune.results.series.landing import landings
from tests.made_studies import LAYERS, random_study, variant


def test_shares_are_means_over_draws(tmp_path):
    study = random_study(
        tmp_path, [variant(p_prune=p, index=i) for p in (0.4, 0.2) for i in range(2)]
    )
    # Layer conv1 has 100 elements; of the draws at 0.4 one prunes 20 and one 30 of them.
    study[2]["realised"]["layers"][0]["pruned"] = 30
    (landing,) = landings(study)
    assert (landing.network, landing.label) == ("digits", "weights")
    assert (landing.layers, landing.p_prunes) == (LAYERS, (0.2, 0.4))
    assert len(landing.cells) == 6
    share = landing.cells["conv1", 0.4]
    assert (share.prunable, share.pruned) == (pytest.approx(0.4), pytest.approx(0.25))
    assert landing.cells["layer2.conv", 0.2].pruned == pytest.approx(0.1)


def test_each_way_to_prune_has_its_own(tmp_path):
    grid = [
        variant(method=m, p_bern=b, p_prune=p)
        for m in ("weights", "neurons")
        for b in (0.5, 1)
        for p in (0.1, 0.2)
    ]
    found = landings(random_study(tmp_path, grid))
    assert [landing.label for landing in found] == [
        f"{method} p_bern={p_bern}" for method in ("weights", "neurons") for p_bern in (0.5, 1)
    ]


def test_records_without_layers_are_left_out(tmp_path):
    study = random_study(tmp_path, [variant()])
    del study[1]["realised"]["layers"]
    assert landings(study) == []
