"""Several processes that train one model, as `torchrun` starts them: how they divide a batch and add up.

Every process draws the same random numbers for the whole batch and takes its shard of the images. What it adds to
the loss is part of the whole batch's, so gradients and figures are sums over the processes.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.overrides import TorchFunctionMode

from cnnrnn.utils.errors import UserError, summarize_error

Value = TypeVar("Value")

_TORCHRUN = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
LOST = (
    "another process of this run has died, or the run was stopped; "
    "go on after the last finished epoch with --resume, with as many processes as you like"
)


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of one run. By default there is one process, and all methods are no-ops."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0  # among those of this machine
    local_count: int = 1
    by_torchrun: bool = False  # which may start the same command again, with another count
    restarted: bool = False  # it did so after a failure
    store: dist.Store | None = None  # counters shared by all processes
    barriers: Iterator[int] = field(default_factory=itertools.count, compare=False)

    @property
    def is_writer(self) -> bool:
        """Whether this process writes the files of the run and prints messages."""
        return self.rank == 0

    @property
    def shard(self) -> slice:
        """The indices of a batch that this process handles; may be empty."""
        return slice(self.rank, None, self.count)

    @property
    def local_shard(self) -> slice:
        """The indices that this process handles of work that every machine repeats."""
        return slice(self.local_rank, None, self.local_count)

    def all_reduce_sum(self, values: np.ndarray) -> np.ndarray:
        """The sum of all processes' arrays; the same bits in every process."""
        if self.count == 1:
            return values
        summed = torch.from_numpy(values.copy())
        dist.all_reduce(summed)
        return summed.numpy()

    def gather(self, rows: Tensor, batch: int) -> Tensor:
        """All processes' shards of a batch in the batch's order: (shard, …) -> (batch, …). No gradient goes back."""
        if self.count == 1:
            return rows
        padded = rows.new_zeros(-(-batch // self.count), *rows.shape[1:])  # shards differ by one row
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(self.count)]
        dist.all_gather(parts, padded)
        return torch.stack(parts, dim=1).flatten(0, 1)[:batch]

    def broadcast(self, value: Value) -> Value:
        """The writer's value, in every process."""
        if self.count == 1:
            return value
        values: list[Any] = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def barrier(self) -> None:
        """Wait for every process, without a time limit; torch's own barrier fails after the group's timeout."""
        if self.store is None:
            return
        barrier = f"barrier {next(self.barriers)}"
        self.store.add(barrier, 1)
        while self.store.add(barrier, 0) < self.count:
            time.sleep(0.1)

    @contextmanager
    def one_per_machine_first(self) -> Iterator[None]:
        """Run the block in each machine's first process before its other processes."""
        if self.local_rank > 0:
            self.barrier()
        yield
        if self.local_rank == 0:
            self.barrier()

    def should_report(self) -> bool:
        """Whether this process is the first to report why the run ends, so that only one message is printed."""
        if self.store is None:
            return True
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the process ends anyway, after it has reported the error
        try:
            return self.store.add("failure reported", 1) == 1
        except RuntimeError:  # the store was in the process that died
            return True


ALONE = ProcessGroup()


@contextmanager
def started() -> Iterator[ProcessGroup]:
    """This process among those that `torchrun` started, or alone.

    A failure of one ends all: the others lose their connection to it, or `torchrun` stops them by SIGTERM. Only the
    first to notice raises UserError; the others leave silently, with an exit code that says they failed.
    """
    if not os.environ.keys() >= _TORCHRUN:
        yield ALONE
        return
    processes = _join()

    def leave(number: int, frame: object) -> None:
        if processes.should_report():
            print(f"cnnrnn: {LOST}", file=sys.stderr, flush=True)
        os._exit(128 + number)  # at once: unwinding could wait for a process that is gone

    signal.signal(signal.SIGTERM, leave)
    try:
        yield processes
    except (UserError, OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError):
            if not _is_lost_connection(error):
                raise  # our own mistake, or typer's Exit
            error = UserError(LOST)
        if not processes.should_report():
            raise SystemExit(2) from None
        raise error from None
    if processes.count > 1:
        dist.destroy_process_group()


def _join() -> ProcessGroup:
    """Connect to the other processes. Raises UserError if they can't be reached."""
    rank, count, local_rank, local_count = (
        int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    )
    restarts = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    processes = ProcessGroup(rank, count, local_rank, local_count, by_torchrun=True, restarted=restarts != "0")
    if count == 1:
        return processes
    try:
        store = dist.PrefixStore(f"cnnrnn {restarts}", next(dist.rendezvous("env://"))[0])
        # Sums of GPU tensors go through NCCL, all others through gloo.
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=count)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"process {rank} of {count} can't reach the others: {summarize_error(error)}") from error
    return replace(processes, store=store)


def _is_lost_connection(error: RuntimeError) -> bool:
    # gloo raises a bare RuntimeError, whose message names its source file
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower() or "nccl" in str(error).lower()


def data_parallel(model: nn.Module, objective: Callable[..., Tensor], processes: ProcessGroup) -> Callable[..., Tensor]:
    """`objective`, after whose ``backward`` every process has the gradients of the processes' mean.

    They travel in buckets while backward still runs. `objective` uses the model in any way, as long as all processes
    use it in the same; its result is one tensor ().
    """
    if processes.count == 1:
        return objective
    return DistributedDataParallel(
        _Objective(model, objective),
        static_graph=True,  # the same weights are used at every step, and not all: some feed no feature map
    )


class _Objective(nn.Module):
    """What DDP wants to wrap: a module with all parameters, whose forward is everything up to the loss."""

    def __init__(self, model: nn.Module, objective: Callable[..., Tensor]) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, *arguments: Any) -> Tensor:
        with _BatchNormOverAll():
            return self.objective(*arguments)


class _BatchNormOverAll(TorchFunctionMode):
    """Batch norm over the images of all processes, in any layer that calls torch's.

    torch's own SyncBatchNorm is for GPUs only, replaces modules, and refuses a process without an image.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return (_batch_norm if func is nn.functional.batch_norm else func)(*args, **(kwargs or {}))


class _Sum(torch.autograd.Function):
    """The sum of the processes' tensors; each one's gradient is the sum of the processes' gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        dist.all_reduce(summed := x.clone())
        return summed

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        dist.all_reduce(summed := grad.contiguous().clone())
        return summed


def _batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`torch.nn.functional.batch_norm` of a batch of which x (shard, channel, …) is this process's part."""
    if not training:
        return nn.functional.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    x = x.to(torch.promote_types(x.dtype, torch.float32))  # bfloat16 is too coarse for sums
    over = [axis for axis in range(x.ndim) if axis != 1]
    per_channel = [1, -1, *[1] * (x.ndim - 2)]
    values = x.new_tensor([x.numel() // x.shape[1]])
    sums = _Sum.apply(torch.cat([x.sum(over), values]))
    count, mean = sums[-1].detach(), sums[:-1] / sums[-1].detach()
    centred = x - mean.view(per_channel)
    var = _Sum.apply(centred.square().sum(over)) / count
    if running_mean is not None and running_var is not None:
        running_mean.lerp_(mean.detach(), momentum)
        running_var.lerp_(var.detach() * count / (count - 1), momentum)
    scale = torch.rsqrt(var + eps) if weight is None else weight * torch.rsqrt(var + eps)
    y = centred * scale.view(per_channel)
    return y if bias is None else y + bias.view(per_channel)
