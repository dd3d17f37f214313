"""Joining the processes that `torchrun` started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed as dist

from MultiJointSegLib.errors import InputError


@contextmanager
def joined_processes(device: str) -> Iterator[torch.device]:
    """Context in which all processes of a `torchrun` train together; alone, it does nothing.

    Parameters
    ----------
    device : str
        "cpu", "cuda" or "mps". With "cuda" every process of a machine takes a GPU of its own.

    Yields
    ------
    torch.device
        This process's.

    Raises
    ------
    InputError
        If a machine has fewer GPUs than processes.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield torch.device(device)
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    own = torch.device(device)
    if device == "cuda":
        if local >= torch.cuda.device_count():
            raise InputError(
                f"{local + 1} processes were started on a machine with {torch.cuda.device_count()} GPUs; "
                "give torchrun --nproc-per-node as many as there are GPUs."
            )
        own = torch.device("cuda", local)
        torch.cuda.set_device(own)
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield own
    finally:
        dist.destroy_process_group()
