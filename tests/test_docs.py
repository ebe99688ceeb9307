"""What the pages show, works: their commands run, or are told apart; their options exist."""

import re

import pytest
import yaml
from typer.main import get_command

import network_prune
from network_prune.cli.main import app
from network_prune.study.plan_file import read_plan_file
from tests.made_studies import random_study, variant
from tests.shown_commands import (
    NEEDS,
    OTHERS,
    PAGES,
    PLAN,
    ROOT,
    commands,
    made_small,
    options_of,
    parsed,
    shown_in,
)

SHOWN = [shown for page in PAGES for shown in shown_in(page)]
OURS = [shown for shown in SHOWN if shown.arguments is not None]
RUN = [page for page in PAGES if any(s.reason is None for s in shown_in(page))]
# Options of other programs that pages name.
FOREIGN = {
    "--write-tables": "pytest, by tests/conftest.py",
    "--growth": "benchmarks",
    "--threads": "benchmarks",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that commands run in, with the files that pages take for granted."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.yaml").write_text(PLAN, encoding="utf-8")
    (tmp_path / "docs").mkdir()
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_commands_of_a_page_run(page, run, folder):
    if page.stem == "comparing":
        variants = [variant(method=method) for method in ("weights", "neurons")]
        random_study(folder / "study", variants, n=40)
    for shown in shown_in(page):
        if shown.reason is None:
            outcome = run(*made_small(shown.arguments))
            assert outcome.code == 0, (shown.text, outcome.err)


@pytest.mark.parametrize("shown", OURS, ids=lambda shown: f"{shown.page} {shown.text}")
def test_every_option_shown_in_a_command_exists(shown):
    parsed(shown.arguments)


def test_what_isnt_run_has_its_reason():
    assert [s for s in SHOWN if s.arguments is None and s.reason is None] == []
    texts = [shown.text for shown in SHOWN]
    assert [start for start in OTHERS if not any(t.startswith(start) for t in texts)] == []
    places = [f"{shown.page} {shown.text}" for shown in SHOWN]
    assert [part for part in NEEDS if not any(part in place for place in places)] == []
    assert sum(shown.reason is None for shown in SHOWN) > 20


def test_an_option_that_isnt_there_is_found():
    with pytest.raises(Exception, match="--p-bernoulli"):
        parsed(["eval", "--p-bernoulli", "1"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_and_options_within_lines_exist(page):
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    all_commands = (get_command(app), *commands().values())
    known = {word for command in all_commands for word in options_of(command)}
    for code in re.findall(r"`([^`\n]+)`", text):
        if (found := re.match(r"network-prune ([a-z]+)\b", code)) and found[1] != "COMMAND":
            assert found[1] in commands(), code
        if re.match(r"network-prune |python eval.py |--[a-z]", code):
            for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", code):
                assert option.replace("_", "-") in known or option in {"--help", *FOREIGN}, code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_plans_are_read(page, tmp_path):
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.S)):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block, encoding="utf-8")
        assert read_plan_file(path).keys() == yaml.safe_load(block).keys()


def test_the_table_of_vanishing_kernels_is_what_inspect_shows():
    page = (ROOT / "docs" / "concepts.md").read_text("utf-8")
    rows = re.findall(r"^\| (layer\S+) \| (\d+) \| (\d)×\d \| (\S+)% \| (\S+)% \|", page, re.M)
    model = network_prune.load_network("digits").model
    assert len(rows) == 6
    for place, score in enumerate(("l1", "mean-l1"), 3):
        found = network_prune.rank(model, "connection", p_prune=0.3, score=score)
        for row in rows:
            layer = found.elements.layer(row[0])
            assert layer.shape[2:] == (int(row[2]),) * 2
            members = found.elements.members(row[0])
            assert members.numel() == int(row[1])
            assert f"{100 * members.double().mean():.1f}" == row[place]


def test_the_batch_script_calls_a_sweep():
    script = (ROOT / "examples" / "sweep.sbatch").read_text("utf-8")
    (call,) = re.findall(r"network[-_]prune (sweep .*)", script)
    assert options_of(commands()["sweep"]).keys() >= set(re.findall(r"--[a-z][a-z-]*", call))
