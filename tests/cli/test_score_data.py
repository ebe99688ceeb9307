"""``--score taylor`` and ``gradient``: on which images, and what is recorded of them."""

import json
import re

import numpy as np
import pytest
from PIL import Image

import network_prune

WARNING = "the score was computed on images of the evaluation data; pass --score-data"


def digits_rank(score: str, **options):
    network = network_prune.load_network("digits")
    data = network_prune.load_data("digits", transform=network.preprocessing.transform())
    batches = data.batches(**options)
    return network_prune.rank(network.model, "connection", p_prune=0.2, score=score, data=batches)


@pytest.mark.parametrize("score", ["taylor", "gradient"])
def test_by_default_256_of_the_evaluated_images_are_taken_and_told(run, score):
    *_, record = json.loads(run("eval", "--score", score, "--json").out)
    expected = digits_rank(score, limit=256)
    assert record["score"] == expected.score
    assert record["prunable_sha256"] == expected.sha256
    assert (record["score_data"]["name"], record["score_data"]["n"]) == ("digits", 256)
    assert record["score_data"]["is_evaluation_data"] is True


def test_text_names_the_images_and_warns(run):
    outcome = run("eval", "--score", "taylor", "--score-images", 20, "--data", "fake:30")
    assert f"warning: {WARNING}" in outcome.out
    assert re.search(
        r"^score: taylor on 20 images of fake:30 \(sha256 \w{12}\)$", outcome.out, re.M
    )


def test_other_images_are_taken_without_a_warning(run):
    options = ("eval", "--score", "taylor", "--score-data", "fake:12", "--limit", 5, "--json")
    *_, record = json.loads(run(*options).out)
    assert record["data"]["n"] == 5
    assert (record["score_data"]["name"], record["score_data"]["n"]) == ("fake:12", 12)
    assert record["score_data"]["is_evaluation_data"] is False
    assert "evaluation data" not in run(*options[:-1]).out


def test_the_same_images_by_name_are_the_evaluation_data(run):
    *_, named = json.loads(run("eval", "--score", "taylor", "--score-data", "digits", "--json").out)
    assert named["score_data"]["is_evaluation_data"] is True


def test_columns_root_and_first_label_hold_for_data_of_the_same_form(run, tmp_path):
    (tmp_path / "pictures").mkdir()
    for name in "abc":
        picture = Image.fromarray(np.full((8, 8), 60 * ord(name) % 255, np.uint8))
        picture.save(tmp_path / "pictures" / f"{name}.png")
    (tmp_path / "val.csv").write_text("where,what\na.png,1\nb.png,10\n")
    (tmp_path / "train.csv").write_text("where,what\nb.png,2\nc.png,10\na.png,4\n")
    columns = ("--image-column", "where", "--label-column", "what", "--first-label", 1)
    root = ("--data-root", tmp_path / "pictures", "--workers", 0)
    options = ("eval", "--data", tmp_path / "val.csv", "--score", "gradient", *columns, *root)
    *_, record = json.loads(run(*options, "--score-data", tmp_path / "train.csv", "--json").out)
    assert record["score_data"]["n"] == 3
    *_, other = json.loads(run(*options, "--score-data", "fake:3", "--json").out)
    assert other["score_data"]["n"] == 3


def test_an_unreadable_image_of_the_score_is_named_or_left_out(run, refused, tmp_path):
    for label in range(10):
        (tmp_path / str(label)).mkdir()
        Image.fromarray(np.full((8, 8), 20 * label, np.uint8)).save(tmp_path / f"{label}/a.png")
    (tmp_path / "3" / "b.png").write_bytes(b"no picture")
    options = ("eval", "--data", "fake:2", "--score", "taylor", "--score-data", tmp_path)
    options = (*options, "--workers", 0)
    assert "3/b.png" in refused(*options)
    assert run(*options, "--skip-unreadable").code == 0


def test_scores_that_need_no_images_record_none(run):
    *_, record = json.loads(run("eval", "--score", "lamp", "--data", "fake:4", "--json").out)
    assert record["score"] == "lamp"
    assert record["score_data"] is None


def test_what_a_network_prints_while_it_is_scored_is_kept_out_of_the_json(run, tmp_path):
    path = tmp_path / "nets.py"
    path.write_text(
        "from torch import nn\n"
        "class Loud(nn.Flatten):\n"
        "    def forward(self, x):\n"
        "        print('training' if self.training else 'evaluating')\n"
        "        return super().forward(x)\n"
        "def make():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), Loud())\n"
    )
    arch = ("--arch", f"{path}:make", "--data", "fake:2", "--score", "taylor")
    outcome = run("eval", *arch, "--json")
    assert json.loads(outcome.out)[0]["network"]["classes"] == 4
    assert "evaluating" in outcome.err
