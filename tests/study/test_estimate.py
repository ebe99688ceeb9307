"""About how long a study takes: what is recorded isn't counted."""

from network_prune.results.records import HeldRecords
from network_prune.study.checked import check_plan
from network_prune.study.estimate import Estimate, estimate
from network_prune.study.plan import make_plan
from network_prune.study.ready_network import ReadyNetwork
from network_prune.study.sweep import sweep


def test_time_is_that_of_reading_once_and_of_every_pass():
    found = Estimate(
        images=20,
        recorded=0,
        passes=3,
        batches=10,
        reading=0.5,
        computing=2.0,
    )
    assert found.seconds == 10 * (0.5 + 3 * 2.0)


def test_passes_are_of_what_is_due_and_the_dense_network_without_outcomes(
    tmp_path,
):
    small = {"p_prune": 0.2, "limit": 10, "batch_size": 4}
    records = sweep(small, out=tmp_path)
    ready = made_ready({**small, "p_prune": [0.2, 0.4, 0.6]})
    found = [estimate(ready, HeldRecords(records[:n])) for n in range(3)]
    assert [(each.recorded, each.passes) for each in found] == [(0, 4), (1, 4), (2, 3)]
    assert estimate(ready, HeldRecords(records, records.store)).passes == 2
    assert (found[0].images, found[0].batches) == (10, 3)
    done = estimate(made_ready(small), HeldRecords(records))
    assert (done.recorded, done.passes, done.seconds) == (2, 0, 0.0)


def made_ready(values):
    plan = make_plan(values)
    ((network, variants),) = plan.variants.items()
    return ReadyNetwork(network, variants, plan.options, check_plan(plan))
