"""DistributedDataParallel: two processes train a pruned network as one would."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).with_name("trained_by_two.py")


@pytest.mark.skipif(not torch.distributed.is_available(), reason="PyTorch without distributed")
def test_two_processes_train_as_one_does(tmp_path):
    command = [sys.executable, str(SCRIPT), str(tmp_path / "meeting")]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "trained alike" in outcome.stdout, outcome.stderr
