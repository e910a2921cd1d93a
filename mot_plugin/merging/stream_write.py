"""Reads the pieces of a merge chunk by chunk, a few at once and ahead, and writes the result where it belongs."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mot_plugin.errors import CheckFailed
from mot_plugin.merging.headers import NUMPY
from mot_plugin.merging.stream_sum import BLOCK, Merger
from mot_plugin.merging.stream_tensors import Piece, Tensor, header
from mot_plugin.merging.stream_yaml import Formula

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 2**20
"""Elements of each input that one thread reads in one go."""

THREADS = 2
AHEAD = 16
"""Chunks that the kernel is asked to read before they are needed, beside those in work."""


@dataclass(frozen=True)
class _Job:
    """Elements [start, stop) of a piece, to be written at `offset`."""

    name: str
    piece: Piece
    start: int
    stop: int
    offset: int


class Engine:
    """Threads that merge by a formula; each has its own files and buffers. Use it in a `with`, one file at a time."""

    def __init__(self, formula: Formula) -> None:
        self.formula = formula
        self._local = threading.local()
        self._opened: list[IO[bytes]] = []
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="merge")
        self._ahead: dict[int, IO[bytes]] = {}

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        for file in self._opened:
            file.close()

    def write(self, path: Path, shard: Sequence[Tensor]) -> None:
        """Merge the tensors of one file into `path`, and see it to the disk. Raises CheckFailed on NaN or Inf."""
        import numpy as np

        width = np.dtype(NUMPY[self.formula.dtype]).itemsize
        head, ordered = header(shard, self.formula.dtype, width)
        with path.open("xb", buffering=0) as out:
            out.write(head)
            waiting: deque[Future[None]] = deque()
            for job in _jobs(ordered, len(head), width):
                self._announce(job)
                waiting.append(self._pool.submit(self._work, job, out.fileno()))
                if len(waiting) > THREADS + AHEAD:
                    waiting.popleft().result()
            for future in waiting:
                future.result()
            os.fsync(out.fileno())

    def _announce(self, job: _Job) -> None:
        """Ask the kernel to start reading what a job needs."""
        for number, source in enumerate(job.piece.sources):
            file = self._open(self._ahead, number, source.file)
            begin, count = _place(job, number)
            os.posix_fadvise(file.fileno(), begin, count, os.POSIX_FADV_WILLNEED)

    def _work(self, job: _Job, out: int) -> None:
        import numpy as np

        local, sources = self._local, job.piece.sources
        if not hasattr(local, "merger"):
            local.merger, local.files, local.buffers = Merger(self.formula), {}, {}
            local.out = np.empty(CHUNK, NUMPY[self.formula.dtype])
        size, stored = job.stop - job.start, []
        for number, source in enumerate(sources):
            if number not in local.buffers or local.buffers[number].dtype != NUMPY[source.dtype]:
                local.buffers[number] = np.empty(CHUNK, NUMPY[source.dtype])
            part = local.buffers[number][:size]
            _read(self._open(local.files, number, source.file), _place(job, number)[0], part)
            stored.append(part)
        dtypes = [source.dtype for source in sources]
        for start in range(0, size, BLOCK):
            block = slice(start, start + BLOCK)
            if not local.merger.merge([part[block] for part in stored], dtypes, local.out[:size][block]):
                raise CheckFailed(
                    f"NaN or Inf in the merge of {job.name}: an input has them, or the weights are too large"
                )
        written = memoryview(local.out[:size]).cast("B")
        place = job.offset
        while written:
            count = os.pwrite(out, written, place)
            written, place = written[count:], place + count
        # Starts the way to the disk at once instead of at the fsync; pages that still wait for it are not dropped.
        os.posix_fadvise(out, job.offset, place - job.offset, os.POSIX_FADV_DONTNEED)

    def _open(self, files: dict[int, IO[bytes]], number: int, path: Path) -> IO[bytes]:
        """The file that input `number` lies in; only the last one of each input stays open."""
        file = files.get(number)
        if file is None or file.name != str(path):
            if file is not None:
                file.close()
            file = files[number] = path.open("rb", buffering=0)
            self._opened.append(file)
        return file


def _jobs(ordered: Sequence[Tensor], offset: int, width: int) -> Iterator[_Job]:
    for tensor in ordered:
        for piece in tensor.pieces:
            for start in range(0, piece.size, CHUNK):
                stop = min(start + CHUNK, piece.size)
                yield _Job(tensor.name, piece, start, stop, offset)
                offset += (stop - start) * width


def _place(job: _Job, number: int) -> tuple[int, int]:
    """Where the elements of a job begin in the file of input `number`, and their bytes."""
    source = job.piece.sources[number]
    width = (source.offsets[1] - source.offsets[0]) // source.size
    return source.offsets[0] + job.start * width, (job.stop - job.start) * width


def _read(file: IO[bytes], begin: int, part: NDArray[Any]) -> None:
    """Fill `part` from `begin`. Raises CheckFailed where the file ends early."""
    view = part.data.cast("B")
    while view:
        count = os.preadv(file.fileno(), [view], begin)
        if not count:
            raise CheckFailed(f"{file.name}: ended while it was read")
        view, begin = view[count:], begin + count
