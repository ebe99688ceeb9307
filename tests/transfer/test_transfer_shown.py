"""A transfer run before its reader: rows, comparisons, frame, chart, notebook."""

import pytest

from network_prune.errors import ArgumentError, SourceError
from network_prune.results.outcome_store import OutcomeStore
from network_prune.transfer.transferred import Transfer
from tests.transfer.attacked_rows import attacked, grid


def transfer(rows):
    store = OutcomeStore()
    for row in rows:
        store.put(row.predictions.to_bytes())
    return Transfer([row.record for row in rows], store)


@pytest.fixture(scope="module")
def made():
    return transfer(grid(["none", "dwp", "rapa"]))


def test_rows_and_frame_hold_the_same(made):
    frame = made.to_pandas()
    assert len(frame) == len(made.rows()) == len(made) * 3 * 6
    assert frame["success"].tolist() == [row["success"] for row in made.rows()]
    assert str(frame["passes"].dtype) == "Int64"
    assert frame.query("goal == 'untargeted'")["targeted"].isna().all()


def test_it_compares_with_any(made):
    assert len(made.compare().comparisons) == len(made.compare("dwp").comparisons) == 8
    with pytest.raises(ArgumentError, match="unknown augmentation to compare with 'dwq'; did you"):
        made.compare("dwq")


def test_one_panel_is_drawn_and_others_are_named(made):
    ax = made.plot(victim="other", goal="targeted")
    assert ax.get_title() == "net → other, targeted"
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["none", "dwp", "rapa"]
    assert ax.lines[0].get_xdata().tolist() == [10, 20, 30, 40]
    assert made.plot(ax, victim="third", goal="targeted") is ax
    with pytest.raises(ArgumentError, match=r"4 charts are of that \(net → other, targeted; net"):
        made.plot()
    with pytest.raises(ArgumentError, match="0 charts are of that and one fits on axes"):
        made.plot(victim="nobody")


def test_in_a_notebook_it_is_a_table(made):
    html = made._repr_html_()
    assert "12 records" in html
    assert html.count("<tr>") == 1 + 6
    assert '<td style="text-align: left">rapa</td>' in html
    many = transfer(
        [attacked(record={"augmentation": f"dwp:p_bern={p / 100}"}) for p in range(1, 25)]
    )
    assert "4 more; to_pandas() has all" in many._repr_html_()


def test_names_in_it_are_text():
    assert "<b>" not in transfer([attacked(["<b>", "other"])])._repr_html_()


def test_predictions_that_are_gone_are_told():
    row = attacked()
    with pytest.raises(SourceError, match=r"the predictions of record .* are gone, damaged or"):
        Transfer([row.record]).rows()
