"""Files of plots: what they show, in the asked format, and what is refused."""

import glob
import itertools
import re
import shutil
import sys
import warnings
from xml.etree import ElementTree

import pytest
from PIL import Image

from network_prune.display.canvas import PAPER, check_plot, looks, save_plot
from network_prune.errors import ArgumentError, RunError, SourceError
from network_prune.reports.plots import arranged, draw_plot
from network_prune.results.series.pictures import landing_pictures
from tests.made_studies import random_study, samples, variant, write_study


def cells(folder, layers=2, name="part$x_1$.{}", methods=("weights",)):
    """Records of layers pruned alone: layer 1 gains an image, all lose 50 at p_prune 1."""
    places = list(itertools.product(methods, (0.1, 0.9), range(layers)))
    found = [(None, samples([False] * 100 + [True] * 100))]
    for method, p_prune, layer in places:
        right = [image < layer for image in range(100)] + [True] * 100
        right[100 : 100 + int(100 * p_prune)] = [False] * int(100 * p_prune)
        what = variant(method=method, scope="layer", p_prune=p_prune, p_bern=1.0)
        found.append(({**what, "include": [glob.escape(name.format(layer))]}, samples(right)))
    study = write_study(folder / "study", found, network="net")
    for record, (_, _, layer) in zip(study[1:], places, strict=True):
        record["realised"]["layers"] = [{"name": name.format(layer)}]
    shutil.rmtree(folder / "study")
    return study


def test_svg_holds_names_as_they_are_and_all_numbers(tmp_path):
    draw_plot(cells(tmp_path), tmp_path / "a.svg")
    texts = [node.text for node in ElementTree.parse(tmp_path / "a.svg").iter() if node.text]
    assert {"part$x_1$.0", "part$x_1$.1", "0.1", "0.9"} <= set(texts)
    assert "net: weights, p_bern 1, seed 0, draw 0, score l1" in texts
    assert {"-5.0", "-45.0", "-4.5", "-44.5"} <= set(texts)


def test_numbers_are_bold_where_the_interval_excludes_zero(tmp_path):
    draw_plot(cells(tmp_path), tmp_path / "a.svg")
    bold = {
        number
        for style, number in re.findall(r'<text style="([^"]*)"[^>]*>(-?\d+\.\d)<', read(tmp_path))
        if "bold" in style or "700" in style
    }
    assert bold == {"-5.0", "-4.5", "-45.0", "-44.5"}


def read(folder):
    return (folder / "a.svg").read_text("utf-8")


def test_the_same_figures_give_the_same_file(tmp_path):
    for name in ("a.svg", "b.svg"):
        draw_plot(cells(tmp_path), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_it_grows_with_the_layers(tmp_path):
    heights = []
    for layers in (20, 60):
        draw_plot(cells(tmp_path, layers), tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as image:
            heights.append(image.height)
    # 0.24 inches a row at 150 dots an inch.
    assert heights[1] - heights[0] == pytest.approx(40 * 36, abs=2)


def test_pdf(tmp_path):
    draw_plot(cells(tmp_path), tmp_path / "a.PDF")
    assert (tmp_path / "a.PDF").read_bytes().startswith(b"%PDF")


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match=r"a\.gif' isn't of a known format; pass a name that"):
        check_plot(tmp_path / "a.gif")


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r"--plot needs the package matplotlib.*\[report\]"):
        check_plot(tmp_path / "a.svg")


def test_a_folder_that_is_gone_is_one_line(tmp_path):
    with pytest.raises(RunError, match=r"cannot write .*a\.svg: No such file"):
        draw_plot(cells(tmp_path), tmp_path / "gone" / "a.svg")


def test_settings_that_differ_in_more_are_drawn_side_by_side(tmp_path):
    draw_plot(cells(tmp_path, methods=("weights", "neurons")), tmp_path / "a.svg")
    text = read(tmp_path)
    assert "net: weights, p_bern 1" in text
    assert "net: neurons, p_bern 1" in text
    assert text.count("part$x_1$.0") == 2


@pytest.mark.parametrize("name", ["layer{}", "encoder." * 20 + "{}"], ids=["short", "long"])
def test_many_columns_and_long_names_leave_room_for_cells(tmp_path, name):
    fractions = [round(0.01 * i, 2) for i in range(1, 61)]
    study = random_study(tmp_path / "s", [variant(p_prune=p) for p in fractions], n=20)
    for record in study[1:]:
        layer = record["realised"]["layers"][0]
        record["realised"]["layers"] = [{**layer, "name": name.format(i)} for i in range(12)]
    with looks(PAPER), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = arranged([[picture] for picture in landing_pictures(study)], width=3.3)
        save_plot(figure, tmp_path / "a.svg")
    heat = figure.axes[0]
    width, height = figure.get_size_inches()
    assert heat.get_position().width * width > 0.5
    assert heat.get_position().height * height > 12 * 0.1
    assert not heat.texts  # no room for numbers
    assert len(heat.get_xticks()) < 20
    labels = [label.get_text() for label in heat.get_yticklabels()]
    assert len(set(labels)) == 12
    assert all(len(label) <= 40 for label in labels)
