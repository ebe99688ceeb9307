"""The page of ten thousand records is small, and shows something soon."""

import itertools
import json

import numpy as np
import pytest

from network_prune.reports.report import report
from network_prune.results.study import Study
from tests.made_studies import images, random_study, variant
from tests.reports.page.conftest import Seen

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Records of figures with all their digits, made from those of a few."""
    shown = images(1000, classes=100, names=[f"val/{place:08d}.JPEG" for place in range(1000)])
    few = random_study(
        tmp_path_factory.mktemp("few"),
        [variant(p_prune=p) for p in (0.1, 0.9)],
        n=1000,
        shown=shown,
    )
    generator = np.random.default_rng(0)
    records = [few[0]]
    grid = itertools.product(
        ("weights", "neurons"), (0.25, 0.5), np.linspace(0.02, 1, 50), range(50)
    )
    for number, (method, p_bern, p_prune, index) in enumerate(grid):
        record = json.loads(json.dumps(few[1 + number % 2]))
        record["variant"].update(method=method, p_bern=p_bern, p_prune=float(p_prune), index=index)
        record["metrics"].update(acc1=100 * generator.random(), loss=generator.random())
        record["realised"]["pruning_ratio"] = p_bern * float(p_prune)
        record["key"] = f"{number:064x}"
        records.append(record)
    found = few.where("method=dense")
    found.extend(records[1:])
    return found


def test_it_takes_15_mb_and_3_seconds_at_most(browser, many, tmp_path):
    assert isinstance(many, Study)
    assert len(many) == 10_001
    path = report(many, out=tmp_path / "page.html")
    assert path.stat().st_size <= 15e6
    seen = Seen.open(browser, path)
    paints = seen.page.evaluate(
        "() => performance.getEntriesByType('paint').map((each) => each.startTime)"
    )
    assert max(paints) <= 3000
    assert seen.told == []
    assert "10,001" in seen.page.locator("#table-box").inner_text()
