"""outgrow: make small reasoning models better by reinforcement learning on checkable problems."""

import os

# Before torch is loaded: its OpenMP threads spin while they wait for each other. On a machine that anything else uses too, a
# spinning thread takes the core from the one it waits for, and a step takes several times as long; a short spin costs nothing.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

__version__ = "0.1.0"
