"""Tables of layers pruned alone: what differs in more than layer and p_prune is apart."""

import pytest

from network_prune.reports.layers import layer_lines
from network_prune.results.series.alone import layer_tables
from tests.made_studies import DATA, RUNNING, random_study, variant

NAMES = ("conv1", "layer1.conv")


def alone(folder, values=(), **options):
    """A study of two layers, each pruned alone."""
    layers = [variant(scope="layer", include=[name], **dict(values)) for name in NAMES]
    study = random_study(folder, layers, **options)
    for record in study[1:]:
        (name,) = record["variant"]["include"]
        record["realised"]["layers"] = [{**record["realised"]["layers"][0], "name": name}]
    return study


OTHERS = {
    "data=shifted": {"data": "shifted"},
    "limit=50": {
        "asked": {"weights": "default", "data": {**DATA, "limit": 50}, "running": RUNNING}
    },
    "batch_size=8": {
        "asked": {"weights": "default", "data": DATA, "running": {**RUNNING, "batch_size": 8}}
    },
    "amp=bfloat16": {
        "asked": {"weights": "default", "data": DATA, "running": {**RUNNING, "amp": "bfloat16"}}
    },
    "torch=3": {"versions": {"network_prune": "0.1.0", "torch": "3", "python": "3.11.7"}},
    "crop=16": {
        "preprocessing": {
            "resize": 32,
            "crop": 16,
            "interpolation": "bilinear",
            "mean": [0.305],
            "std": [0.376],
        }
    },
    "with norm": {"values": {"with_norm": True}},
    "score l2": {"values": {"score": "l2"}},
}


@pytest.mark.parametrize("said", OTHERS)
def test_what_decides_figures_is_never_merged_and_is_said(tmp_path, said):
    one = alone(tmp_path / "one")
    other = alone(tmp_path / "other", n=100, seed=1, **OTHERS[said])
    first, second = layer_tables([*one, *other])
    assert [list(table.cells.values()) for table in (first, second)] == [one[1:], other[1:]]
    assert (first.dense, second.dense) == (one[0], other[0])
    assert said in second.title
    assert said not in first.title


def test_other_weights_of_one_name_are_another_table(tmp_path):
    one, other = alone(tmp_path / "one"), alone(tmp_path / "other")
    for record in other:
        record["network"] = {**record["network"], "weights_sha256": "f" * 64}
    first, second = layer_tables([*one, *other])
    assert (first.dense, second.dense) == (one[0], other[0])
    assert second.title.endswith(", weights_sha256=ffffffffffff")


def test_a_cell_without_a_difference_is_a_dash(tmp_path):
    study = alone(tmp_path)
    study[1]["difference"] = None
    study[2]["difference"]["acc1_difference"] = None
    lines = layer_lines(study[1:])
    assert "| conv1 | – |" in lines
    assert "| layer1.conv | – |" in lines


def test_titles_are_text(tmp_path):
    hostile = "<b>\x1b[31m|x"
    lines = layer_lines(alone(tmp_path, {"score": f"custom:{hostile}"}, network=hostile))
    title = next(line for line in lines if "one layer at a time" in line)
    assert title.startswith(r"\<b>\x1b[31m\|x: weights, one layer")
