"""Whether torchrun has started this process."""

import os


def started() -> bool:
    """Return whether torchrun has started this process, as one of several ranks or alone."""
    return "TORCHELASTIC_RUN_ID" in os.environ and "RANK" in os.environ
