"""A checkpoint folder's weights without torch: slices of tensors mapped from disk, as numbers, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mot_plugin.errors import CheckFailed
from mot_plugin.merging.folder import read_json
from mot_plugin.merging.headers import FLOATS, NUMPY, TensorInfo, per_expert, read_header, read_shards

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK = 2**20
"""Elements looked at in one go. As float64 they are 8 MB, so a handful of temporaries stays far below 64 MB."""

_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"


@dataclass(frozen=True)
class Checkpoint:
    """All tensors of a model folder. `tied` is config.json's tie_word_embeddings, None where it says nothing.

    Fused experts (one 3-D tensor per layer, as mergekit saves them) appear under the names of the single experts, as
    Transformers saves them after training: the same bytes, so that both forms of one model compare.
    """

    folder: Path
    tensors: dict[str, TensorInfo]
    tied: bool | None

    def raw(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Elements [start, stop) of the flattened tensor as stored, read-only; BF16 comes as its bits in uint16."""
        import numpy as np

        info = self.tensors[name]
        dtype = np.dtype(NUMPY[info.dtype])
        count = (info.size if stop is None else stop) - start
        offset = info.offsets[0] + start * dtype.itemsize
        return np.memmap(info.file, dtype, mode="r", offset=offset, shape=(count,))

    def float32(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Elements [start, stop) of the flattened tensor as float32. Raises CheckFailed if they are not floats."""
        import numpy as np

        dtype = self.tensors[name].dtype
        if dtype not in FLOATS:
            raise CheckFailed(f"{self.tensors[name].file}: {name} is stored as {dtype}, which is no weight")
        stored = self.raw(name, start, stop)
        if dtype == "BF16":
            return from_bfloat16(stored)
        with np.errstate(over="ignore"):  # a float64 too large for float32 becomes Inf, which `finite` finds
            return stored.astype(np.float32)

    def finite(self, name: str) -> bool:
        """Whether no element is NaN or Inf; integers and booleans are finite."""
        import numpy as np

        info = self.tensors[name]
        if info.dtype not in FLOATS:
            return True
        for start, stop in chunks(info.size):
            part = self.raw(name, start, stop)
            # all ones in the exponent is NaN or Inf
            good = (part & 0x7F80) != 0x7F80 if info.dtype == "BF16" else np.isfinite(part)
            if not good.all():
                return False
        return True


def chunks(size: int) -> Iterator[tuple[int, int]]:
    """[start, stop) pairs that cover `size` elements, CHUNK at a time."""
    for start in range(0, size, CHUNK):
        yield start, min(start + CHUNK, size)


def from_bfloat16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The values of bfloat16 bits: a bfloat16 is the upper half of a float32."""
    import numpy as np

    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The bits of float32 values rounded to bfloat16, halves to even, as torch and every GPU do; NaN stays NaN."""
    import numpy as np

    bits = np.ascontiguousarray(values).view(np.uint32)
    # Adding just under half a unit, and the lowest kept bit, carries exactly when rounding goes up. A NaN with many low
    # bits would carry into the sign instead, so NaNs are set afterwards.
    half = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    rounded = ((bits + half) >> np.uint32(16)).astype(np.uint16)
    rounded[np.isnan(values)] = 0x7FC0
    return rounded


def open_checkpoint(folder: str | Path) -> Checkpoint:
    """Read the headers of the weights in `folder`: model.safetensors, or the shards that its index names.

    Raises CheckFailed, with the file, for weights that are absent, cut short, malformed or at odds with their index.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CheckFailed(f"{folder}: no such folder")
    single, index = folder / _SINGLE, folder / _INDEX
    if single.exists() and index.exists():
        raise CheckFailed(f"{folder} has both {_SINGLE} and {_INDEX}, and tools differ in which they read: remove one")
    if not single.exists() and not index.exists():
        pickled = sorted(path.name for path in folder.glob("*.bin") if path.name != "training_args.bin")
        hint = f", only {pickled[0]}: save the model as safetensors" if pickled else ""
        raise CheckFailed(f"{folder} has neither {_SINGLE} nor {_INDEX}{hint}")
    tensors = read_header(single) if single.exists() else read_shards(index)
    if not tensors:
        raise CheckFailed(f"{single}: holds no tensors")
    config = read_json(folder / "config.json") if (folder / "config.json").exists() else {}
    return Checkpoint(folder, per_expert(tensors), config.get("tie_word_embeddings"))
