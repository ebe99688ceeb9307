"""What the README shows, works."""

import re
from pathlib import Path

import pytest

import network_prune
from network_prune.results.published.figures import PublishedRow, published_tables

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = ROOT / "docs" / "published.md"
FIGURES = PAGE.read_text(encoding="utf-8")


def test_python_examples_run_as_they_stand(capsys):
    names = {}
    for example in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(example, names)
    assert capsys.readouterr().out.count("Acc@1") == 2
    assert all(name in names for name in ("model", "prunable", "pruned"))


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")))
def test_python_examples_of_the_documentation_run(page):
    names = {}
    for example in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        exec(example, names)


@pytest.mark.parametrize("name", network_prune.__all__)
def test_public_names_exist_and_are_described(name):
    assert getattr(network_prune, name).__doc__


def test_measured_figures_of_the_embedded_network_are_what_it_gives():
    """Up to what another version of PyTorch may round otherwise."""
    row = r"\| connections \| 0.2 \| 1 \| 20.00% \| (\S+)% \| Loss (\S+)  Acc@1 (\S+)  Acc@5"
    newly, loss, acc1 = (float(figure) for figure in re.findall(row, FIGURES)[-1])
    network = network_prune.load_network("digits")
    data = network_prune.load_data("digits", transform=network.preprocessing.transform())
    with network_prune.prune_connections(network.model, p_prune=0.2) as pruned:
        metrics = network_prune.evaluate(network.model, data)
        total = pruned.summary().total
    assert 100 * total.newly_zeroed / total.weights == pytest.approx(newly, abs=0.005)
    assert metrics.loss == pytest.approx(loss, abs=0.002)
    assert metrics.acc1 == pytest.approx(acc1, abs=0.4)


PUBLISHED_HEAD = """\
| network | p_prune | p_bern | pruning ratio | eval performance | command |
|:-------:|:-------:|:------:|:-------------:|:----------------:|---|"""


def published_line(row: PublishedRow) -> str:
    ratio = "0" if row.is_dense else f"{row.ratio:.0%}"
    options = f"--method={row.method} --p_prune={row.p_prune:g} --p_bern={row.p_bern:g}"
    command = f"`python eval.py --arch={row.network} {options} --data=$IMAGENET`"
    cells = (row.network, f"{row.p_prune:g}", f"{row.p_bern:g}", ratio, str(row), command)
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("title", published_tables())
def test_published_tables_are_those_of_the_file_of_published_figures(title, request):
    rows = published_tables()[title]
    table = "\n".join([PUBLISHED_HEAD, *map(published_line, rows)])
    section = rf"(### {title}\n[^|]*)(\|.*?)(?=\n\n)"
    if request.config.getoption("--write-tables"):
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(
            re.sub(section, lambda found: found[1] + table, text, count=1, flags=re.DOTALL), "utf-8"
        )
    else:
        assert re.search(section, FIGURES, re.DOTALL)[2] == table
