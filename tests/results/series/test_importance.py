"""What each option explains: a case by hand, a slow version, and what sums to one."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from network_prune.results.series.importance import importance
from tests.made_studies import random_study, variant


def study_of(tmp_path, values):
    """Records whose Acc@1 is given by (method, p_prune, index)."""
    places = [variant(method=m, p_prune=p, index=i) for m, p, i in values]
    study = random_study(tmp_path, places)
    for record, value in zip(study[1:], values.values(), strict=True):
        record["metrics"]["acc1"] = value
    return study


def test_a_balanced_grid_by_hand(tmp_path):
    # Means: weights 70, neurons 50, so 4 · 2 · 10² = 800 for the method; p_prune 62 and 58, so
    # 8 · 2² = 32; cells lie 1 off the sum of both, 8 · 1² = 8; draws 2 off their cell, 8 · 2² = 32.
    cells = {("weights", 0.1): 73, ("weights", 0.2): 67, ("neurons", 0.1): 51, ("neurons", 0.2): 49}
    values = {(*cell, i): mean + 2 * (1 - 2 * i) for cell, mean in cells.items() for i in range(2)}
    (found,) = importance(study_of(tmp_path, values))
    total = 800 + 32 + 8 + 32
    assert found.n == 8
    assert found.options == pytest.approx({"method": 800 / total, "p_prune": 32 / total})
    assert list(found.options) == ["method", "p_prune"]
    assert found.together == pytest.approx(8 / total)
    assert found.draws == pytest.approx(32 / total)


def r_squared(rows, names, values):
    """Of a model with a column for each level but the first, by QR."""
    columns = [np.ones(len(rows))]
    for name in names:
        levels = sorted({row[name] for row in rows}, key=str)
        columns += [np.array([row[name] == level for row in rows], float) for level in levels[1:]]
    design = np.array(columns).T
    fitted = design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return 1 - ((values - fitted) ** 2).sum() / ((values - values.mean()) ** 2).sum()


PLACES = list(itertools.product(("weights", "neurons", "connections"), (0.1, 0.2, 0.3), range(3)))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    places = [variant(method=m, p_prune=p, index=i) for m, p, i in PLACES]
    study = random_study(tmp_path_factory.mktemp("made"), places)
    return dict(zip(PLACES, study[1:], strict=True))


@given(data=st.data())
def test_with_gaps_as_a_slow_version(made, data):
    places = data.draw(st.lists(st.sampled_from(PLACES), min_size=2, unique=True))
    hits = data.draw(st.lists(st.integers(0, 50), min_size=len(places), max_size=len(places)))
    records = [
        {**made[place], "metrics": {**made[place]["metrics"], "acc1": 2.0 * value}}
        for place, value in zip(places, hits, strict=True)
    ]
    rows = [record["variant"] for record in records]
    names = [n for n in ("method", "p_prune") if len({row[n] for row in rows}) > 1]
    values = np.array(hits, float)
    found = importance(records)
    if not names or len({*hits}) == 1:
        assert found == []
        return
    whole = r_squared(rows, names, values)
    assert set(found[0].options) == set(names)
    for name, share in found[0].options.items():
        others = [other for other in names if other != name]
        assert share == pytest.approx(whole - r_squared(rows, others, values), abs=1e-9)
    cells = {}
    for row, value in zip(rows, values, strict=True):
        cells.setdefault((row["method"], row["p_prune"]), []).append(value)
    within = sum(((np.array(cell) - np.mean(cell)) ** 2).sum() for cell in cells.values())
    draws = within / ((values - values.mean()) ** 2).sum()
    assert found[0].draws == pytest.approx(draws, abs=1e-9)
    shares = [*found[0].options.values(), found[0].together, found[0].draws]
    assert sum(shares) == pytest.approx(1, abs=1e-9) or sum(found[0].options.values()) > whole


def test_networks_are_apart_and_options_that_do_not_vary_left_out(tmp_path):
    one = random_study(tmp_path / "a", [variant(p_prune=p) for p in (0.1, 0.9)])
    other = random_study(tmp_path / "b", [variant(p_bern=p) for p in (0.1, 0.9)], network="net")
    found = importance([*one, *other])
    assert [(each.network, dict(each.options)) for each in found] == [
        ("digits", {"p_prune": pytest.approx(1)}),
        ("net", {"p_bern": pytest.approx(1)}),
    ]


def test_draws_alone_leave_nothing_to_explain(tmp_path):
    assert importance(random_study(tmp_path, [variant(index=i) for i in range(4)])) == []
    assert importance([]) == []


def test_a_draw_counts_once_the_last(tmp_path):
    study = study_of(tmp_path, {("weights", 0.1, 0): 60, ("weights", 0.3, 0): 50})
    repeated = [{**study[1], "metrics": {**study[1]["metrics"], "acc1": 10}}, *study]
    assert importance(repeated) == importance(study)
