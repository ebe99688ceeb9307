"""A study in a notebook: table, chart and data frame hold what its records hold."""

import math

import pandas
import pytest
from matplotlib.figure import Figure

from network_prune.errors import ArgumentError, SourceError
from network_prune.results.study import Study
from tests.made_studies import random_study, variant

GRID = [variant(method=m, p_prune=p) for m in ("weights", "neurons") for p in (0.2, 0.6)]


@pytest.fixture
def study(tmp_path):
    return random_study(tmp_path / "study", GRID)


@pytest.fixture
def ax():
    return Figure().subplots()


def alone(tmp_path, **options):
    layers = [variant(scope="layer", include=[name], **options) for name in ("conv1", "conv2")]
    found = random_study(tmp_path / str(options), layers)
    for record in found[1:]:
        record["realised"]["layers"] = [{"name": record["variant"]["include"][0]}]
    return found


def compared(study):
    """The study with a comparison of draws beside each variant."""
    ends = {"n": 1, "total": 0, "square_total": 0, "interval": [40.0, 60.0], "mean": 50.0}
    figures = {"acc1": ends, "agreement": ends, "cosine": ends}
    for record in study[1:]:
        record["diversity"] = {"prune": figures, "dropout": figures, "difference": figures}
    return study


def test_the_table_has_figures_and_says_what_it_leaves_out(tmp_path, study):
    text = study._repr_html_()
    assert text.count("<tr>") == 1 + len(study)
    assert f"{study[1]['metrics']['acc1']:.3f}" in text
    assert "more" not in text
    many = random_study(tmp_path / "many", [variant(index=index) for index in range(30)])
    assert "11 more; to_pandas() has all" in many._repr_html_()
    assert Study([])._repr_html_()


def test_hostile_names_are_text(tmp_path, ax):
    name = "<script>alert(1)</script>$x$"
    study = random_study(tmp_path, [variant(score=f"custom:{name}"), variant()], network=name)
    assert "<script" not in study._repr_html_()
    assert "$" not in study.plot(ax).get_title().replace(r"\$", "")


def test_a_grid_is_drawn_as_curves(study, ax):
    assert study.plot(ax) is ax
    for container, method in zip(ax.containers, ("weights", "neurons"), strict=True):
        own = study.where(f"method={method}")
        x, y = container[0].get_data()
        ratios = [0, *(100 * record["realised"]["pruning_ratio"] for record in own)]
        assert list(x) == pytest.approx(ratios)
        assert list(y) == [record["metrics"]["acc1"] for record in [study[0], *own]]
    study.plot(loss := Figure().subplots(), figure="loss")
    assert loss.get_ylabel() == "Loss (nats)"


def test_several_networks_share_the_axes(tmp_path, study, ax):
    other = random_study(tmp_path / "other", GRID, network="net")
    Study([*study, *other]).plot(ax)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["digits: weights", "digits: neurons", "net: weights", "net: neurons"]


def test_layers_alone_are_drawn_as_a_heat_map(tmp_path, ax):
    found = alone(tmp_path)
    found.plot(ax)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["conv1", "conv2"]
    numbers = [f"{record['difference']['acc1_difference']:.1f}" for record in found[1:]]
    assert [text.get_text() for text in ax.texts] == numbers
    with pytest.raises(ArgumentError, match="make 2 charts and one fits on axes; choose records"):
        Study([*found, *alone(tmp_path, method="neurons")]).plot(ax)


def test_a_layer_without_a_difference_is_an_empty_cell(tmp_path, ax):
    found = alone(tmp_path)
    found[1]["difference"] = None
    found.plot(ax)
    assert len(ax.texts) == 1


def test_draws_that_were_compared_are_drawn_as_points(study, ax):
    compared(study).plot(ax)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    modes = ("prune", "dropout")
    assert labels == [f"{method} {mode}" for method in ("weights", "neurons") for mode in modes]
    assert ax.containers[0].has_xerr
    assert ax.containers[0].has_yerr


def test_what_cannot_be_drawn_is_refused(study, ax):
    with pytest.raises(ArgumentError, match="nothing to draw: no record is of a pruned network"):
        study.where("method=dense").plot(ax)
    with pytest.raises(ArgumentError, match="unknown figure 'acc2'; did you mean acc"):
        study.plot(ax, figure="acc2")


def test_a_frame_has_the_rows_with_types_of_their_own(study):
    frame = study.to_pandas()
    assert list(frame.columns) == list(study.rows()[0])
    for row, (_, found) in zip(study.rows(), frame.iterrows(), strict=True):
        for name, value in row.items():
            missing = value is None or (isinstance(value, float) and math.isnan(value))
            assert pandas.isna(found[name]) if missing else found[name] == value, name
    types = {name: str(frame[name].dtype) for name in frame.columns}
    assert (types["p_prune"], types["n"], types["method"]) == ("float64", "Int64", "string")
    assert (types["with_norm"], types["acc1_difference"]) == ("boolean", "float64")
    # The dense network has no seed; types don't depend on whether it is there.
    assert pandas.isna(frame["seed"][0])
    own = study.where("method=weights").to_pandas()
    assert str(own["seed"].dtype) == types["seed"] == "Int64"


def test_a_seed_keeps_all_its_digits(tmp_path):
    frame = random_study(tmp_path, [variant(seed=2**64 - 1)]).to_pandas()
    assert frame["seed"][1] == 2**64 - 1
    assert len(Study([]).to_pandas()) == 0


def test_without_pandas_the_extra_is_named(study, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r"to_pandas\(\) needs the package pandas.*\[notebook\]"):
        study.to_pandas()


def test_a_study_without_figures_has_its_table(tmp_path):
    study = random_study(tmp_path, [variant()])
    for record in study:
        record["metrics"] = {**record["metrics"], "acc1": None, "acc5": None, "loss": None}
    study[1]["difference"]["acc1_difference"] = None
    assert study._repr_html_().count(">nan</td>") == 7


def test_names_of_files_that_are_no_text_are_escapes_in_a_data_frame(tmp_path):
    _dense, record = random_study(tmp_path, [variant()])
    named = {**record, "network": {**record["network"], "name": "a\udcff.py"}}
    assert list(Study([named]).to_pandas()["network"]) == [r"a\udcff.py"]
