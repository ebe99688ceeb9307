"""``network-prune inspect`` shows where pruning lands, without data."""

import json

import network_prune


def test_every_ranked_layer_has_a_row_and_the_total_adds_up(run):
    outcome = run("inspect", "--p-prune", 0.3)
    network = network_prune.load_network("digits")
    prunable = network_prune.rank(network.model, "connection", p_prune=0.3)
    lines = outcome.out.splitlines()
    for layer in prunable.layers:
        row = next(line.split() for line in lines if line.startswith(layer.name + " "))
        assert row[1:4] == [
            str(layer.element_count(prunable.granularity)),
            str(prunable.elements.counts[layer.name]),
            str(prunable.elements.counts[layer.name]),
        ]
    total = next(line.split() for line in lines if line.startswith("total"))
    assert int(total[2]) == len(prunable)


def test_a_network_that_takes_another_input_can_be_inspected(run, refused, tmp_path):
    path = tmp_path / "nets.py"
    path.write_text(
        "from torch import nn\n"
        "def small():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 10))\n"
    )
    arch = ("--arch", f"{path}:small")
    assert "e.g. --resize 32 --crop 32" in refused("inspect", *arch)
    outcome = run("inspect", *arch, "--resize", 8, "--crop", 8)
    assert (outcome.code, outcome.err) == (0, "")


def test_json_is_the_summary(run):
    record = json.loads(run("inspect", "--method", "weights", "--p-bern", 0.5, "--json").out)
    network = network_prune.load_network("digits")
    with network_prune.prune_weights(network.model, p_prune=0.2, p_bern=0.5) as pruned:
        assert record["realised"] == json.loads(json.dumps(pruned.summary().to_dict()))
        assert record["draw_sha256"] == pruned.draw.sha256


def test_size_normalised_score_spares_the_shortcuts(run):
    """A sum makes a 1x1 kernel look small beside a 3x3 one; a mean doesn't."""

    def pruned(score: str) -> int:
        record = json.loads(run("inspect", "--p-prune", 0.3, "--score", score, "--json").out)
        rows = record["realised"]["layers"]
        return sum(row["pruned"] for row in rows if "downsample" in row["name"])

    assert pruned("mean-l1") < pruned("l1")


def test_scores_that_need_images_are_referred_to_eval(refused):
    line = refused("inspect", "--score", "taylor")
    assert "use network-prune eval --score taylor, or in Python network_prune.rank(model" in line


def test_no_layer_vanishes_by_lamp(run):
    """Each layer's greatest element scores 1, so all of them come last."""

    def vanished(score: str) -> int:
        record = json.loads(run("inspect", "--p-prune", 0.9, "--score", score, "--json").out)
        return sum(row["pruned"] == row["elements"] for row in record["realised"]["layers"])

    assert vanished("lamp") == 0
    assert vanished("l1") > 0


def test_include_and_exclude_choose_layers(run):
    record = json.loads(
        run("inspect", "--include", "layer2.*", "--exclude", "*downsample*", "--json").out
    )
    names = [row["name"] for row in record["realised"]["layers"]]
    assert names
    assert all(name.startswith("layer2.") and "downsample" not in name for name in names)


def test_norms_and_biases_are_rows_of_their_own(run, refused):
    rapa = ["--layers", "norm,Linear", "--tensors", "weight,bias"]
    rows = json.loads(run("inspect", *rapa, "--json").out)["realised"]["layers"]
    model = network_prune.load_network("digits").model
    tensors = {name for name, tensor in model.named_parameters() if tensor.dim() == 1}
    names = [row["name"] for row in rows]
    assert {f"{name}.weight" for name in names if not name.endswith(".bias")} | {
        name for name in names if name.endswith(".bias")
    } == tensors | {"fc.weight"}
    assert "unknown tensor 'biases'" in refused("inspect", "--tensors", "biases")
    assert "unknown layer type 'norms'" in refused("inspect", "--layers", "norms")
