"""How many processes of Python and torch a machine has memory for."""

from .errors import UsageError
from .memory import share_of_memory

_EACH = 4 * 10**8  # bytes of one before it holds a model, as measured


def require_processes(count: int, key: str) -> None:
    """Raise UsageError where these are more processes than this machine has memory for. key: the setting that asks for them."""
    most = max(1, share_of_memory(_EACH))
    if count > most:
        raise UsageError(
            f"{key}={count}: a process takes about {_EACH / 1e9:g} GB before it holds a model, and this machine has memory for "
            f"{most}; set {key} to one for each GPU, or each core"
        )
