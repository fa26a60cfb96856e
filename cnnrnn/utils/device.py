"""The device that torch computes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnrnn.utils.errors import UserError, summarize_error

if TYPE_CHECKING:
    import torch


def resolve_device(name: str | None = None, local_rank: int | None = None) -> torch.device:
    """The named device, or a GPU if there is one. Raises UserError for a device that can't be used.

    `local_rank` selects the GPU of one of several processes on this machine.
    """
    import torch

    if name is None:
        mps = torch.backends.mps.is_available() and local_rank is None
        name = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    if name == "cuda" and local_rank is not None:
        name = f"cuda:{local_rank}"
        torch.cuda.set_device(local_rank)  # pinned memory is allocated for the current device
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device '{name}' can't be used: {summarize_error(error)}") from None
    return torch.device(name)
