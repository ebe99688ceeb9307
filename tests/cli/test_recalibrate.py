"""``--recalibrate N`` on the command line."""

import json

import pytest

EVAL = ("eval", "--method", "weights", "--p-prune", 0.4, "--limit", 40)


def test_rows_and_head_say_what_is_recalibrated(run):
    text = run(*EVAL, "--recalibrate", 30).out
    assert ", recalibrated on 30 images\n" in text
    assert "| digits | weights recalibrate=30 | 0.4 |" in text
    assert "| digits | dense | 0 |" in text
    note = "BatchNorms were recalibrated on 30 images of the evaluation data, without labels"
    assert f"warning: {note}\n" in text


def test_json_is_what_sweep_records(run, tmp_path):
    found = json.loads(run(*EVAL, "--recalibrate", 30, "--json").out)
    swept = run("sweep", *EVAL[1:], "--recalibrate", 30, "--json", "--out", tmp_path)
    assert json.loads(swept.out) == found
    assert found[1]["variant"]["recalibrate"] == 30


def test_a_network_without_batchnorms_is_told_in_one_line(run):
    outcome = run(*EVAL, "--arch", "digits-plain", "--recalibrate", 30)
    assert outcome.code == 2
    assert outcome.err.strip().splitlines() == [
        "network-prune: error: the network (Sequential) has no BatchNorm with running statistics, "
        "so there is nothing to recalibrate; leave recalibrate (--recalibrate) out"
    ]


def test_a_dry_run_says_it(run, tmp_path):
    text = run("sweep", "--dry-run", "--recalibrate", 30, "--out", tmp_path / "s").out
    assert "scope global, recalibrated on 30 images\n" in text


def test_layers_may_be_pruned_alone(run):
    some = ("--include", "layer4.*", "--p-prune", 0.5, "--limit", 40, "--json")
    records = json.loads(run("sensitivity", *some, "--recalibrate", 30).out)
    assert [r["variant"] and r["variant"]["recalibrate"] for r in records] == [None, 30, 30, 30]


@pytest.mark.parametrize("command", ["diversity", "inspect"])
def test_commands_that_evaluate_no_single_draw_dont_take_it(run, command):
    assert run(command, "--recalibrate", 30).code == 2
