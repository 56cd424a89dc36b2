"""The processes of a learner, as torchrun starts them: how they find each other, and how rank 0 calls the others."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.rendezvous import rendezvous

from ...core.errors import OutgrowError, SpoiledError, UsageError
from ...core.oom_backoff import ran_out_of_memory

_FOREVER = timedelta(days=365)
"""How long a rank waits for the next call: rank 0 may write answers for hours."""
OUT_OF_MEMORY = "out of memory; lower learn.tokens_per_microbatch or sampling.max_tokens, or raise learn.ranks"
"""Why a rank ends that cannot hold its part of the work."""


class RankLost(SpoiledError):
    """Another rank has ended, so that the weights are no longer whole."""


@dataclass
class Group:
    """The ranks that torchrun has started, seen from one of them."""

    rank: int
    size: int
    device: torch.device
    """Where this rank computes."""
    mesh: DeviceMesh
    """All ranks in a row."""
    calls: Any
    """The process group that calls go through; it waits as long as it takes."""
    store: Any
    """Where a rank that ends says why."""
    listening: bool = True
    """Whether the other ranks wait for a call, as far as rank 0 knows."""

    def send(self, messages: Sequence[Any]) -> None:
        """Send each rank its message; rank 0 only."""
        dist.scatter_object_list([None], list(messages), src=0, group=self.calls)

    def receive(self) -> Any:
        """Wait for the next message of rank 0."""
        box: list[Any] = [None]
        dist.scatter_object_list(box, None, src=0, group=self.calls)
        return box[0]

    def answer(self, result: Any) -> None:
        """Send rank 0 a result."""
        dist.gather_object(result, None, dst=0, group=self.calls)

    def answers(self) -> list[Any]:
        """Wait for the results of the other ranks; rank 0 only. The first one is None."""
        found: list[Any] = [None] * self.size
        dist.gather_object(None, found, dst=0, group=self.calls)
        return found

    def say_why(self, reason: str) -> None:
        """Leave word of why this rank ends."""
        with suppress(RuntimeError):  # the store has ended, too
            self.store.set(_word(self.rank), reason)

    def why(self) -> str:
        """Return what became of the ranks that have ended, as far as they left word."""
        found = []
        with suppress(RuntimeError):
            for rank in range(self.size):
                if self.store.check([_word(rank)]):
                    found.append(f"rank {rank} ended: {self.store.get(_word(rank)).decode()}")
        return "; ".join(found) or "a rank has ended, and left no word (killed, or out of the machine's memory)"


def _word(rank: int) -> str:
    return f"outgrow/why/{rank}"


_joined: list[Group] = []


@contextmanager
def joined() -> Iterator[Group]:
    """Meet the other ranks; inside, `current` returns the group. At its end, rank 0 lets the others end."""
    store, rank, size = next(rendezvous("env://"))
    store.set_timeout(timedelta(minutes=5))
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", store=store, rank=rank, world_size=size)
    device = torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")
    mesh = init_device_mesh(device.type, (size,))
    group = Group(rank, size, device, mesh, dist.new_group(backend="gloo", timeout=_FOREVER), store)
    _joined.append(group)
    try:
        yield group
    finally:
        _joined.remove(group)
        if rank == 0 and group.listening:
            with suppress(RuntimeError):  # a rank that has ended needs no word
                group.send([None] * size)
    dist.destroy_process_group()


def alone() -> bool:
    """Return whether this process has met no other rank, as under no torchrun."""
    return not _joined


def current(ranks: int) -> Group:
    """Return the group of this process. Raises UsageError where it does not have as many ranks as the recipe asks for."""
    if not _joined:
        raise UsageError(
            f"learn.ranks={ranks} needs processes that a command starts: outgrow train, sft or resume, or torchrun (guide: scale)"
        )
    if _joined[0].size != ranks:
        raise UsageError(
            f"torchrun started {_joined[0].size} processes, and the recipe asks for learn.ranks={ranks}; set both to one number"
        )
    return _joined[0]


def is_loss(error: BaseException) -> bool:
    """Return whether an error says that another rank has ended."""
    text = str(error)
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and ("gloo" in text or "NCCL" in text))


@dataclass
class Rank:
    """What one process holds. learner, policy, reference: its own parts."""

    group: Group
    learner: Any = None
    policy: Any = None
    reference: Any = None
    stack: ExitStack = field(default_factory=ExitStack)
    """What is open for as long as it works for one run."""


class Team:
    """All ranks, as rank 0 calls them."""

    def __init__(self, group: Group, again: Callable[[], str]) -> None:
        """again: returns the command that goes on after a rank is lost."""
        self._group, self._again = group, again
        self._thread = threading.get_ident()
        self.here = Rank(group)

    @property
    def size(self) -> int:
        """Number of ranks."""
        return self._group.size

    def call(self, do: Callable[[Rank, Any], Any], arguments: Sequence[Any]) -> list[Any]:
        """Return what `do` makes of its argument on each rank. It is sent by name; OutgrowErrors it raises, it raises on all ranks.

        Raises RankLost where a rank has ended, or where this one runs out of memory: the others wait for its part then.
        """
        if not self._group.listening:
            raise self._lost(self._group.why())
        self._group.listening, failure, own = False, None, None
        try:
            self._group.send([(do, argument) for argument in (None, *arguments[1:])])
            try:
                own = do(self.here, arguments[0])
            except OutgrowError as error:
                failure = error
            others = self._group.answers()
        except (RuntimeError, MemoryError) as error:
            if is_loss(error):
                raise self._lost(self._group.why()) from error
            if ran_out_of_memory(error):
                raise self._lost(f"rank {self._group.rank}: {OUT_OF_MEMORY}") from error
            raise
        self._group.listening = True
        if failure is not None:
            raise failure
        return [own, *others[1:]]

    def call_alike(self, do: Callable[[Rank, Any], Any], argument: Any = None) -> Any:
        """Return what `do` returns on rank 0, called on each rank with the same argument."""
        return self.call(do, [argument] * self.size)[0]

    def check_stop(self, check_stop: Callable[[], None]) -> None:
        """Call check_stop. Where it stops the run, see first whether every rank is there: a signal also comes if one has ended.

        A thread that writes ahead does not look: the ranks may be at work for this one, which looks before the run ends.
        """
        try:
            check_stop()
        except Exception:
            if threading.get_ident() == self._thread:
                self.call_alike(_nothing)
            raise

    def release(self) -> None:
        """Let every rank drop what it holds; it waits for the next run."""
        if self._group.listening:
            self.call_alike(_release)

    def _lost(self, why: str) -> RankLost:
        return RankLost(f"{why}; what is saved is whole, so go on with: {self._again()}")


def _nothing(rank: Rank, argument: None) -> None:
    pass


def _release(rank: Rank, argument: None) -> None:
    rank.learner = rank.policy = rank.reference = None
    rank.stack.close()
