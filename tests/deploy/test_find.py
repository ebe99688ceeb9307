"""``find``: what a search finds is what a whole grid shows, in few evaluations."""

import json
from collections import Counter

import pytest
import torch
from safetensors.torch import load_file

import network_prune as npr
from network_prune.deploy.find import latency, probes
from network_prune.errors import ArgumentError
from network_prune.results.records import FILE
from network_prune.study.checked import check_plan
from network_prune.study.events import Failed, Recorded
from network_prune.study.plan import make_plan

FEW = {"limit": 64, "batch_size": 32}
STEP = 0.1
GRID = [round(STEP * k, 10) for k in range(1, 11)]


def find(plan=None, told=lambda _: None, **options):
    return npr.find({**FEW, **(plan or {})}, told=told, progress=False, **options)


@pytest.fixture(scope="module")
def grid():
    """Return by method and p_prune the records of all points."""
    plan = {**FEW, "method": ["weights", "connections"], "p_prune": GRID}
    study = npr.sweep(plan, progress=False)
    return {(r["variant"]["method"], r["variant"]["p_prune"]): r for r in study if r["variant"]}


@pytest.mark.parametrize("max_drop", [10, 60])
def test_it_finds_the_largest_p_prune_that_is_surely_within_a_loss(grid, max_drop):
    found = find({"method": ["weights", "connections"]}, max_drop=max_drop, step=STEP)
    assert [limit.way.draws[0].method for limit in found] == ["weights", "connections"]
    for limit in found:
        method = limit.way.draws[0].method
        lows = [grid[method, p]["difference"]["acc1_interval"][0] for p in GRID]
        # Losses of these two rise with p_prune as far as is looked at.
        within = [p for p, low in zip(GRID, lows, strict=True) if low >= -max_drop]
        assert limit.p_prune == max(within, default=0.0)
        for point in limit.points:
            (record,) = point.records
            assert record["metrics"] == grid[method, point.p_prune]["metrics"]
            assert record["difference"] == grid[method, point.p_prune]["difference"]


@pytest.mark.parametrize("share", ["params", "macs"])
def test_it_finds_the_smallest_p_prune_that_leaves_a_share(share):
    (limit,) = find({"method": "weights"}, **{share: "60%"}, step=STEP)
    name = {"params": "parameters", "macs": "macs"}[share]
    lefts = {point.p_prune: getattr(point.left, name) for point in limit.points}
    assert lefts[limit.p_prune] <= 0.6 < lefts[round(limit.p_prune - STEP, 10)]
    if share == "params":
        realised = limit.point.records[0]["realised"]
        model = npr.load_network("digits").model
        assert lefts[limit.p_prune] == 1 - realised["zeroed"] / sum(
            p.numel() for p in model.parameters()
        )


def test_a_step_of_a_hundredth_takes_eight_evaluations_and_none_is_repeated(tmp_path):
    seen = []
    plan = {"limit": 16, "method": "weights"}
    for _ in range(2):
        (limit,) = find(plan, told=seen.append, max_drop=15, out=tmp_path)
    recorded = [event for event in seen if isinstance(event, Recorded)]
    assert len(recorded) <= 8
    assert len(recorded) == len((tmp_path / FILE).read_bytes().splitlines()) == len(limit.records)
    assert max(Counter(event.record["key"] for event in recorded).values()) == 1


def test_too_few_images_are_told_with_how_many_would_do():
    (limit,) = find({"limit": 16, "method": "weights"}, step=STEP)
    assert limit.p_prune == 0.0
    assert limit.point is limit.dense
    (note,) = limit.notes()
    assert note.startswith("16 images can't tell whether p_prune 0.1 keeps within 1 point of ")
    assert limit.images_needed > 16
    (surely,) = find({"method": "neurons"}, step=0.5, max_drop=1)
    assert (surely.p_prune, surely.notes(), surely.images_needed) == (0.0, [], None)


def test_all_draws_have_to_keep_within():
    plan = {"method": "weights", "p_bern": 0.5, "draws": 3}
    (limit,) = find(plan, max_drop=10, step=0.25)
    for point in limit.points:
        lows = [record["difference"]["acc1_interval"][0] for record in point.records]
        assert len(lows) == 3
        assert (min(lows) >= -10) == (point.p_prune <= limit.p_prune)


def test_fractions_by_layer_keep_their_proportions():
    by_layer = {"layer4.*": 0.4, "*": 0.1}
    (limit,) = find({"method": "weights", "p_prune": by_layer}, max_drop=10, step=0.2)
    for point in limit.points:
        (record,) = point.records
        fractions = record["variant"]["by_layer"]
        assert fractions["layer4.0.conv1"] == pytest.approx(point.p_prune)
        assert fractions["layer1.0.conv1"] == pytest.approx(point.p_prune / 4)


@pytest.mark.parametrize(
    "plan",
    [
        {"method": "weights"},
        {"method": "neurons", "with_norm": True},
        {"method": "connections", "recalibrate": 32},
    ],
)
def test_what_is_saved_has_the_figures_that_were_found(tmp_path, plan):
    out = tmp_path / "saved"
    (limit,) = find(plan, params=0.9, step=STEP, save=out)
    weights = load_file(out / "weights.safetensors")
    loaded = npr.load_network("digits", weights=out / "weights.safetensors")
    figures = npr.sweep({**FEW, "weights": str(out / "weights.safetensors"), "p_prune": 0.0})[0]
    wanted = limit.point.records[0]["metrics"]
    assert figures["metrics"]["hits1"] == wanted["hits1"]
    assert figures["metrics"]["loss"] == pytest.approx(wanted["loss"], rel=1e-5)
    assert all(torch.equal(loaded.model.state_dict()[name], w) for name, w in weights.items())
    packed = npr.load_network(f"packed:{out / 'network.safetensors'}")
    assert all(torch.equal(packed.model.state_dict()[name], w) for name, w in weights.items())
    assert packed.made["stage"] == ("recalibrated" if "recalibrate" in plan else "pruned")
    assert packed.made["draw_sha256"] == limit.point.records[0]["draw_sha256"]
    model = npr.load_network("digits").model
    norms = {name for name, _ in model.named_buffers()}
    with npr.prune(model, npr.Draw.load(out / "draw.safetensors"), **_norm(plan)):
        npr.make_permanent(model)
    assert all(
        torch.equal(weights[name], w)
        for name, w in model.state_dict().items()
        if "recalibrate" not in plan or name not in norms
    )
    assert json.loads((out / "found.json").read_text()) == json.loads(json.dumps(limit.to_dict()))


def _norm(plan):
    return {"with_norm": True} if plan.get("with_norm") else {}


def test_a_learned_score_is_ranked_again_for_what_is_saved(tmp_path):
    plan = {"method": "weights", "score": "taylor", "score_images": 32}
    (limit,) = find(plan, params=0.6, step=0.5, save=tmp_path / "saved")
    draw = npr.Draw.load(tmp_path / "saved" / "draw.safetensors")
    assert draw.sha256 == limit.point.records[0]["draw_sha256"]


def test_one_of_several_networks_that_fails_is_told_and_left_out(tmp_path):
    code = tmp_path / "net.py"
    code.write_text("def broken():\n    raise ValueError('not today')\n", encoding="utf-8")
    seen = []
    arch = [f"{code}:broken", "digits"]
    found = find({"arch": arch, "data": "digits"}, told=seen.append, step=0.5)
    assert [limit.way.network.arch for limit in found] == ["digits"]
    (failed,) = [event for event in seen if isinstance(event, Failed)]
    assert "not today" in failed.error


@pytest.mark.parametrize(
    ("plan", "options", "text"),
    [
        ({"p_prune": 0.2}, {}, "find looks for p_prune itself"),
        ({"grids": [{}]}, {}, "find looks for p_prune itself"),
        ({"scope": "alone"}, {}, "scope=alone prunes one layer at a time"),
        ({"p_bern": 0.0}, {}, "p_bern=0 prunes nothing"),
        ({}, {"max_drop": 0}, "max_drop=0 is no loss; pass percentage points in"),
        ({}, {"max_drop": float("nan")}, "max_drop=nan is no loss"),
        ({}, {"max_drop": 1, "params": 0.5}, "max_drop and params exclude each other"),
        ({}, {"params": "60"}, "params='60' is no share"),
        ({}, {"params": "sixty%"}, "params='sixty%' is no share"),
        ({}, {"macs": "100%"}, "macs='100%' is no share"),
        (
            {"include": "layer1.*"},
            {"macs": 0.5, "step": 0.5},
            "at most 0.5 of the multiply-adds is",
        ),
        ({}, {"step": 0}, "step=0 leaves nothing to halve"),
        ({}, {"step": 2}, "step=2 is outside"),
    ],
)
def test_what_is_not_allowed_is_refused_in_one_line(plan, options, text):
    with pytest.raises(ArgumentError) as refused:
        find(plan, **options)
    assert text in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_cannot_be_saved_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "there").write_text("")
    for plan, folder in (
        ({"method": ["weights", "neurons"]}, tmp_path / "new"),
        ({"p_bern": 0.5, "draws": 2}, tmp_path / "new"),
        ({}, tmp_path),
    ):
        with pytest.raises(ArgumentError, match="save"):
            find(plan, save=folder, told=pytest.fail)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_interrupted_it_leaves_gradients_as_they_were(monkeypatch):
    """Ctrl-C at the end of a ``with`` may keep it from putting them back."""

    def interrupted(*_, **__):
        torch.set_grad_enabled(False)
        raise KeyboardInterrupt

    monkeypatch.setattr(probes, "sweep_over", interrupted)
    with pytest.raises(KeyboardInterrupt):
        find(max_drop=10)
    assert torch.is_grad_enabled()


def test_a_share_of_the_latency_is_that_of_the_network_without_silenced_neurons(monkeypatch):
    shares = {0.1: 0.99, 0.2: 0.9, 0.3: 0.7, 0.4: 0.55, 0.5: 0.5, 0.6: 0.4}
    asked = []

    def left(network, variant, options, inputs):
        asked.append(variant.p_prune)
        return shares[variant.p_prune]

    monkeypatch.setattr(probes, "latency_left", left)
    (limit,) = find({"method": "neurons", "scope": "layer"}, latency="60%", step=STEP)
    assert limit.p_prune == 0.4
    assert len(asked) <= 4
    assert limit.notes() == ["one picture takes 55.0% of the time without the silenced neurons"]
    assert limit.to_dict()["latency_left"] == 0.55
    with pytest.raises(ArgumentError, match="latency goes with method=neurons"):
        find({"method": "weights"}, latency=0.6)


def test_latency_is_measured_on_the_network_that_is_left(monkeypatch):
    full = make_plan({**FEW, "method": "neurons", "scope": "layer", "p_prune": 0.9})
    ((network, (variant, *_)),) = full.variants.items()
    timed = []

    def times(ready, repeats, *, progress):
        timed.extend(ready)
        return [[0.4, 0.2, 0.3], [0.1, 0.2, 0.15]]

    monkeypatch.setattr(latency, "times_of", times)
    share = latency.latency_left(network, variant, full.options, check_plan(full))
    assert share == pytest.approx(0.5)
    dense, smaller = (sum(p.numel() for p in each.plain.parameters()) for each in timed)
    assert dense == sum(p.numel() for p in npr.load_network("digits").model.parameters())
    assert smaller < dense / 2
    assert all(p.any() for p in timed[0].plain.parameters() if p.dim() > 1)
