"""Prunable sets that are held: each comes back as it was, whatever is in memory."""

import network_prune
from network_prune.evaluation.set_store import SetStore
from network_prune.study.plan import make_plan


def test_sets_come_back_from_memory_and_disk_alike():
    plan = make_plan({"p_prune": [0.1, 0.2, 0.3, 0.4, 0.5]})
    rankings = next(iter(plan.variants.values()))
    model = network_prune.load_network("digits").model
    store = SetStore(held=2)
    expected = {}
    for ranking in rankings:
        assert ranking not in store
        expected[ranking] = store[ranking] = ranking.rank(model)
    for _ in range(2):
        for ranking in rankings:
            assert ranking in store
            assert store[ranking] == expected[ranking]
    store.close()
    assert not any(ranking in store for ranking in rankings)
