"""outgrow: make small reasoning models better by reinforcement learning on checkable problems."""

__version__ = "0.1.0"
