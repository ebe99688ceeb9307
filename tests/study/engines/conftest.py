"""A cluster of Ray's that all tests of a file share."""

import signal

import psutil
import pytest

from tests.ray_nodes import NODE, assert_gone


@pytest.fixture(scope="module", autouse=True)
def surroundings():
    """Let processes of Ray's be in the way of nobody, and ask nothing of this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_USAGE_STATS_REPORT_URL", "http://127.0.0.1:9")
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def nodes(surroundings):
    """Return a cluster of one machine with one core, which this process is in."""
    utils = pytest.importorskip("ray.cluster_utils", reason="the extra ray isn't installed")
    import ray

    before = set(psutil.Process().children(recursive=True))
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    found = utils.Cluster(initialize_head=True, head_node_args=NODE)
    ray.init(found.address, log_to_driver=False)
    yield found
    ray.shutdown()
    found.shutdown()
    for number, handler in handlers.items():  # Ray takes them over
        signal.signal(number, handler)
    assert_gone(set(psutil.Process().children(recursive=True)) - before)
