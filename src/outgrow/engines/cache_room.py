"""How many rows the memory has room for, in an engine of this process."""

import torch

from ..core.memory import total_memory


def rows_in_memory(device: torch.device, bytes_a_row: int) -> int:
    """Return how many rows a cache may have: 0.8 of what a GPU has free, or half of the machine's memory."""
    if device.type != "cuda":  # a CPU promises memory that it does not have, and then ends the process without an error
        return total_memory(device) // 2 // bytes_a_row
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(0.8 * free / bytes_a_row)
