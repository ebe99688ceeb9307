"""What a machine of a cluster of Ray's is given in tests, and that nothing is left of it."""

import psutil

NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}


def assert_gone(processes):
    _, left = psutil.wait_procs(processes, timeout=60)
    assert not left
