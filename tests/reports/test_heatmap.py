"""The heat map has a number and a colour for each cell, in the asked format."""

import re
import sys
from xml.etree import ElementTree

import pytest
from PIL import Image

from network_prune.errors import ArgumentError, RunError, SourceError
from network_prune.evaluation.paired import Paired
from network_prune.reports.heatmap import check_plot, draw_heatmap
from tests.studies import variant_of


def cells(layers=2, name="part$x_1$.{}", methods=("weights",)):
    base = {"network": {"name": "net", "weights": "embedded"}, "asked": {"weights": "default"}}
    dense = {**base, "variant": None}
    return [
        dense,
        *(
            {
                **base,
                "variant": variant_of(method=method, scope="layer", p_prune=p_prune).to_dict(),
                "realised": {"layers": [{"name": name.format(layer)}]},
                "difference": Paired(n=100, gained1=layer, lost1=int(50 * p_prune)).to_dict(),
            }
            for method in methods
            for p_prune in (0.1, 0.9)
            for layer in range(layers)
        ),
    ]


def test_svg_holds_names_as_they_are_and_all_numbers(tmp_path):
    draw_heatmap(cells(), tmp_path / "a.svg")
    texts = [node.text for node in ElementTree.parse(tmp_path / "a.svg").iter() if node.text]
    assert {"part$x_1$.0", "part$x_1$.1", "0.1", "0.9"} <= set(texts)
    assert "net: weights, p_bern 1, seed 0, draw 0, score l1" in texts
    assert {"-5.0", "-45.0", "-4.0", "-44.0"} <= set(texts)


def test_numbers_are_bold_where_the_interval_excludes_zero(tmp_path):
    draw_heatmap(cells(), tmp_path / "a.svg")
    bold = {
        number
        for style, number in re.findall(r'<text style="([^"]*)"[^>]*>(-?\d+\.\d)<', read(tmp_path))
        if "bold" in style or "700" in style
    }
    assert bold == {"-5.0", "-45.0", "-44.0"}


def read(folder):
    return (folder / "a.svg").read_text("utf-8")


def test_the_same_figures_give_the_same_file(tmp_path):
    for name in ("a.svg", "b.svg"):
        draw_heatmap(cells(), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_it_grows_with_the_layers(tmp_path):
    heights = []
    for layers in (20, 60):
        draw_heatmap(cells(layers), tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as image:
            heights.append(image.height)
    # 0.24 inches a row at 150 dots an inch.
    assert heights[1] - heights[0] == pytest.approx(40 * 36, abs=2)


def test_pdf(tmp_path):
    draw_heatmap(cells(), tmp_path / "a.PDF")
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
        draw_heatmap(cells(), tmp_path / "gone" / "a.svg")


def test_settings_that_differ_in_more_are_drawn_side_by_side(tmp_path):
    draw_heatmap(cells(methods=("weights", "neurons")), tmp_path / "a.svg")
    text = read(tmp_path)
    assert "net: weights, p_bern 1" in text
    assert "net: neurons, p_bern 1" in text
    assert text.count("part$x_1$.0") == 2
