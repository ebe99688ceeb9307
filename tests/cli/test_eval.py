"""``network-prune eval`` from end to end on the embedded network and on real input."""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

import network_prune
from network_prune.cli.main import main
from network_prune.evaluation.evaluate import evaluate
from network_prune.reports.head_and_foot import foot_lines
from network_prune.results.study import load_study

PERFORMANCE = r"Loss \d+\.\d{3}  Acc@1 \d+\.\d{3}  Acc@5 \d+\.\d{3}"


def test_alone_it_evaluates_the_embedded_default(run):
    outcome = run("eval")
    assert outcome.code == 0
    name = r"^\| digits \| connections \| 0.2 \| 1 \| 0/0 \| 500 \| "
    row = name + r"20\.\d\d% \| " + PERFORMANCE + r" \| -\d+\.\d{3} \[-\S+, -\S+\] \|$"
    assert re.search(row, outcome.out, re.MULTILINE)
    assert "20.00% " not in outcome.err
    assert re.search(
        r"^realised: \d+ of \d+ connections pruned \(20\.\d\d%\)", outcome.out, re.MULTILINE
    )
    assert re.search(r"^95% intervals over 500 images: Loss \[", outcome.out, re.MULTILINE)
    assert re.search(r"^\| digits \| dense \| 0 \| 0 \| – \| 500 \|", outcome.out, re.MULTILINE)
    paired = r"^to dense, paired: Loss \+\S+ \[.*  Acc@1 -\S+ \[.*; Acc@1 won 2 images, lost 63$"
    assert re.search(paired, outcome.out, re.MULTILINE)


@pytest.mark.parametrize(("gained", "words"), [(0, "0 images"), (1, "1 image"), (2, "2 images")])
def test_won_images_are_counted_in_words(run, gained, words):
    _, record = json.loads(run("eval", "--limit", 20, "--json").out)
    record["difference"]["gained1"] = gained
    assert any(f"Acc@1 won {words}, lost " in line for line in foot_lines([record]))


def test_dense_embedded_network_reaches_97_percent(run):
    *_, record = json.loads(run("eval", "--p-prune", 0, "--json").out)
    assert record["variant"] is None
    assert record["metrics"]["acc1"] >= 97.0


@pytest.mark.parametrize("method", ["connections", "neurons", "weights"])
def test_figures_are_those_of_the_python_calls(run, method):
    *_, record = json.loads(
        run("eval", "--method", method, "--p_prune", 0.4, "--p-bern=0.5", "--seed", 7, "--json").out
    )
    network = network_prune.load_network("digits")
    data = network_prune.load_data("digits", transform=network.preprocessing.transform())
    prune = getattr(network_prune, f"prune_{method}")
    with prune(network.model, p_prune=0.4, p_bern=0.5, seed=7) as pruned:
        metrics = evaluate(network.model, data)
        summary = pruned.summary()
    assert record["metrics"]["loss_sum"] == metrics.loss_sum
    assert record["metrics"]["acc1"] == metrics.acc1
    assert record["realised"] == json.loads(json.dumps(summary.to_dict()))
    assert record["draw_sha256"] == pruned.draw.sha256


def test_files_that_are_passed_over_are_told_once_in_text_and_in_each_record(run, tmp_path):
    (tmp_path / "3").mkdir()
    for name in ("x.png", "y.jfif"):
        Image.new("L", (32, 32)).save(tmp_path / "3" / name, "png")
    options = ("--data", tmp_path, "--workers", 0, "--score", "taylor", "--p-prune", 0.5)
    told = f"files of the class folders of {tmp_path} that are passed over by their names: 1 (1 .jf"
    assert run("eval", *options).out.count(f"\nwarning: {told}") == 1
    for record in json.loads(run("eval", *options, "--json").out):
        assert record["notes"][0].startswith(told)


def test_records_are_those_of_a_sweep(run, tmp_path):
    options = ("--limit", 30, "--method", "weights", "--method", "neurons", "--json")
    options += ("--p-prune", 0.2, "--p-bern", 0.5, "--draws", 2)
    swept = json.loads(run("sweep", *options, "--out", tmp_path).out)
    assert json.loads(run("eval", *options).out) == swept
    alone = json.loads(run("eval", *options, "--no-dense").out)
    assert alone == [{**record, "difference": None} for record in swept[1:]]
    assert len(alone) == 4


def test_underscores_and_dashes_are_alike(run):
    options = ("eval", "--data", "fake:8", "--json")
    dashes = json.loads(run(*options, "--p-prune", 0.3, "--p-bern", 0.5, "--batch-size", 4).out)
    lines = json.loads(run(*options, "--p_prune=0.3", "--p_bern=0.5", "--batch_size=4").out)
    assert dashes == lines


def test_draws_give_mean_and_standard_deviation(run):
    outcome = run("eval", "--p-prune", 0.5, "--p-bern", 0.5, "--draws", 3, "--method", "weights")
    rows = re.findall(
        r"Loss (\S+)  Acc@1 (\S+)  Acc@5 (\S+) \| [+-]\S+ \[.*$", outcome.out, re.MULTILINE
    )
    assert len(rows) == 3
    mean = re.search(r"Loss (\S+) ± (\S+)  Acc@1 (\S+) ± (\S+)  Acc@5", outcome.out)
    accuracies = [float(row[1]) for row in rows]
    centre = sum(accuracies) / 3
    deviation = (sum((value - centre) ** 2 for value in accuracies) / 2) ** 0.5
    assert float(mean[3]) == pytest.approx(centre, abs=2e-3)
    assert float(mean[4]) == pytest.approx(deviation, abs=2e-3)


def test_draws_of_a_certain_prune_say_that_they_are_the_same(run):
    outcome = run("eval", "--draws", 2, "--data", "fake:4")
    assert "warning: at p_bern 1 all draws are the same; one is evaluated" in outcome.out
    assert outcome.out.count("| digits |") == 2


def test_vanished_layers_are_told(run):
    outcome = run("eval", "--p-prune", 1, "--data", "fake:4")
    assert "warning: layer conv1.0 vanishes: all its " in outcome.out


def test_realised_ratios_stand_beside_the_asked_ones(run):
    outcome = run(
        "eval", "--p-prune", 0.2, "--p-bern", 0.5, "--data", "fake:4", "--method", "neurons"
    )
    pruned, elements = map(
        int, re.search(r"realised: (\d+) of (\d+) neurons", outcome.out).groups()
    )
    assert f"| {pruned / elements:.2%} |" in outcome.out
    assert f"({pruned / elements:.2%})" in outcome.out


def test_preprocessing_can_be_overridden_and_is_recorded(run):
    options = ("eval", "--json", "--data", "fake:4")
    *_, record = json.loads(run(*options, "--resize", 40, "--crop", 36, "--mean", "0.4").out)
    assert record["preprocessing"]["resize"] == 40
    assert record["preprocessing"]["crop"] == 36
    assert record["preprocessing"]["mean"] == [0.4]


def test_the_output_file_is_a_study_of_what_json_prints(run, tmp_path):
    path = tmp_path / "result.json"
    outcome = run("eval", "--json", "--data", "fake:4", "--output", path)
    assert load_study(path) == json.loads(outcome.out)


def test_limit_spreads_over_the_data(run):
    *_, record = json.loads(run("eval", "--limit", 50, "--json").out)
    assert record["data"]["n"] == 50


def test_manifest_columns_and_root_can_be_named(run, tmp_path):
    (tmp_path / "pictures").mkdir()
    for name in "ab":
        picture = Image.fromarray(np.zeros((8, 8), np.uint8))
        picture.save(tmp_path / "pictures" / f"{name}.png")
    (tmp_path / "list.tsv").write_text("where\twhat\na.png\t0\nb.png\t9\n")
    columns = ("--image-column", "where", "--label-column", "what")
    root = ("--data-root", tmp_path / "pictures", "--workers", 0)
    outcome = run("eval", "--data", tmp_path / "list.tsv", *columns, *root, "--json")
    assert json.loads(outcome.out)[0]["data"]["n"] == 2


def test_random_network_of_torchvision_runs_on_fake_data(run):
    outcome = run(
        "eval", "--arch=resnet18", "--weights=none", "--data=fake:2", "--p_prune=0.2",
        "--resize=40", "--crop=32", "--layers=conv2d,linear", "--exclude=fc",
    )  # fmt: skip
    assert outcome.code == 0
    assert "| 0.2 | 1 | 0/0 | 2 | 20.00% |" in outcome.out


def test_ctrl_c_ends_with_130_and_one_line(run, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("network_prune.study.measure.Measure.look", interrupted)
    outcome = run("eval")
    assert outcome.code == 130
    assert outcome.err.splitlines()[-1].startswith("network-prune: error: interrupted")


def test_out_of_memory_says_what_to_do(refused, monkeypatch):
    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("network_prune.study.measure.Measure.look", exhausted)
    assert "smaller --batch-size" in refused("eval", code=1)


def test_main_takes_the_arguments_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["network-prune", "inspect", "--json"])
    with pytest.raises(SystemExit):
        main()
    assert json.loads(capsys.readouterr().out)["network"]["name"] == "digits"


def test_the_cache_dir_reaches_network_and_data(refused, monkeypatch, tmp_path):
    def refuse(*_: object, **__: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    options = ("--cache-dir", tmp_path)
    place = f"{tmp_path}/torch/checkpoints"
    assert place in refused("eval", "--arch=resnet18", "--data=fake:2", *options, code=1)
    assert place in refused("inspect", "--arch=resnet18", *options, code=1)
    place = f"{tmp_path}/huggingface/datasets"
    assert place in refused("eval", "--data=hf:owner/name", *options, code=1)


def test_what_a_network_prints_is_kept_out_of_the_json(run, tmp_path):
    path = tmp_path / "nets.py"
    path.write_text(
        "from torch import nn\n"
        "print('imported')\n"
        "class Loud(nn.Flatten):\n"
        "    def forward(self, x):\n"
        "        print('forward')\n"
        "        return super().forward(x)\n"
        "def make():\n"
        "    print('made')\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), Loud())\n"
    )
    arch = ("--arch", f"{path}:make")
    for command in (("eval", *arch, "--data", "fake:2"), ("inspect", *arch)):
        found = json.loads((outcome := run(*command, "--json")).out)
        record = found[0] if isinstance(found, list) else found
        assert record["network"]["classes"] == 4
        assert {"imported", "made", "forward"} <= set(outcome.err.split())


def test_a_network_that_fails_on_a_batch_is_one_line(refused, tmp_path):
    path = tmp_path / "nets.py"
    path.write_text(
        "from torch import nn\n"
        "class One(nn.Flatten):\n"
        "    def forward(self, x):\n"
        "        if len(x) > 1:\n"
        "            raise RuntimeError('one\\nonly')\n"
        "        return super().forward(x)\n"
        "def make():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), One())\n"
    )
    line = refused("eval", "--arch", f"{path}:make", "--data", "fake:2")
    assert "failed on a batch of [2, 3, 224, 224] (RuntimeError: one only)" in line
    assert "--batch-size" in line


def test_json_says_how_the_network_was_computed(run):
    def asked_and_used(*options):
        *_, record = json.loads(run("eval", "--json", "--data", "fake:4", *options).out)
        return record["asked"]["running"], record["used"]

    asked, used = asked_and_used()
    assert (asked["channels_last"], asked["fold"], asked["compile"]) == (True, True, False)
    assert (asked["dtype"], asked["amp"]) == (None, None)
    assert used["channels_last"] is True
    assert used["folded_norms"] > 5
    asked, used = asked_and_used("--no-channels-last", "--no-fold")
    assert (asked["channels_last"], asked["fold"]) == (False, False)
    assert used == {"channels_last": False, "folded_norms": 0}
    assert asked_and_used("--dtype", "bfloat16")[0]["dtype"] == "bfloat16"
    assert asked_and_used("--amp")[0]["amp"] == "bfloat16"


def test_the_head_says_the_dtype(run):
    head = run("eval", "--data", "fake:2", "--dtype", "bfloat16", "--device", "cpu").out
    assert re.search(r"^device +cpu, dtype bfloat16$", head, re.MULTILINE)


def test_folding_changes_no_count_and_little_of_the_loss(run):
    dense = ("eval", "--p-prune", 0.2, "--p-bern", 0.5, "--json")
    fast, plain = (
        json.loads(run(*dense, *options).out)[1]["metrics"]
        for options in ((), ("--no-fold", "--no-channels-last"))
    )
    assert (fast["hits1"], fast["hits5"]) == (plain["hits1"], plain["hits5"])
    assert fast["loss"] == pytest.approx(plain["loss"], rel=1e-4)


def test_a_dtype_and_amp_exclude_each_other(refused):
    assert "pass one of them" in refused("eval", "--dtype", "bfloat16", "--amp")
    assert "unknown dtype 'half'" in refused("eval", "--dtype", "half")


def test_what_a_checkpoint_holds_is_told_to_people_and_recorded(run, tmp_path):
    raw, ema = (network_prune.load_network(weights=name) for name in ("default", "none"))
    path = tmp_path / "w.pth"
    torch.save({"state_dict": raw.model.state_dict(), "model_ema": ema.model.state_dict()}, path)
    note = "the weights are model_ema of w.pth, which holds state_dict too; "
    options = ("--weights", path, "--limit", 10)
    outcome = run("eval", *options)
    assert f"network        digits, weights {path}:model_ema (sha256 " in outcome.out
    assert f"warning: {note}" in outcome.out
    assert f"warning: {note}" in run("inspect", "--weights", path).out
    *_, record = json.loads(run("eval", *options, "--json").out)
    assert record["notes"][0].startswith(note)
    assert record["network"]["weights_sha256"] == ema.weights_sha256
    *_, record = json.loads(
        run("eval", "--weights", f"{path}:state_dict", *options[2:], "--json").out
    )
    assert record["notes"] == []
    assert record["network"]["weights_sha256"] == raw.weights_sha256


@pytest.mark.parametrize("weights", ["default", "DEFAULT", "IMAGENET1K_V1"])
def test_the_table_names_the_weights_that_were_taken(run, offline_mobilenet, weights):
    options = ("--arch", "mobilenet_v2", "--data", "fake:2", "--resize", 32, "--crop", 32)
    outcome = run("eval", *options, "--weights", weights)
    assert re.search(r"^\| mobilenet_v2 \(IMAGENET1K_V1\) \| conn", outcome.out, re.MULTILINE)


@pytest.fixture
def offline_mobilenet(monkeypatch, tmp_path):
    """The cache holds weights of mobilenet_v2, random ones."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("network_prune.sources.published_files.check_hash", lambda _: True)
    state = network_prune.load_network("mobilenet_v2", weights="none").model.state_dict()
    (tmp_path / "checkpoints").mkdir()
    torch.save(state, tmp_path / "checkpoints" / "mobilenet_v2-b0353104.pth")
