"""Freed memory is taken again, without fresh pages from the system."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import torch
from ocellus.training.memory import keep_freed_memory

torch.set_num_threads(1)
if sys.argv[1] == "keep":
    assert keep_freed_memory()

def step():
    return sum(float(torch.ones(8 << 20).sum()) for _ in range(4))  # tensors of 32 MiB

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range(3):
    step()
before = faults()
for _ in range(5):
    step()
print(faults() - before)
"""


def faults(how: str) -> int:
    """Pages that the system had to give for five steps after the first ones."""
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], check=True, capture_output=True, text=True, timeout=120
    )
    return int(answer.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc's")
def test_kept_memory_is_taken_again() -> None:
    assert faults("keep") < 100
    assert faults("return") > 10_000
