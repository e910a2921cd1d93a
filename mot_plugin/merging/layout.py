"""Two checkpoints of one architecture side by side: the same tensors, finite, and trained at all."""

from collections.abc import Collection, Sequence

from mot_plugin.merging.weights import Checkpoint, chunks, from_bfloat16, to_bfloat16

HEAD = "lm_head.weight"


def extra_head(found: Checkpoint, wanted: Checkpoint) -> bool:
    """Whether `found` also stores the output head of a model that ties it to the embedding.

    ZeRO-2 saves it so. Loading ignores it, so it is named and not an error; an untied model must have its head.
    """
    return HEAD in found.tensors and HEAD not in wanted.tensors and wanted.tied is not False


def layout_problems(found: Checkpoint, wanted: Checkpoint) -> list[str]:
    """How the tensors' names and shapes differ from `wanted`'s, one sentence per kind of difference."""
    tolerated = {HEAD} if extra_head(found, wanted) or found.tied else set()
    missing = wanted.tensors.keys() - found.tensors.keys() - tolerated
    extra = found.tensors.keys() - wanted.tensors.keys() - tolerated
    shared = sorted(wanted.tensors.keys() & found.tensors.keys())
    shapes = [
        f"{name} {list(found.tensors[name].shape)} instead of {list(wanted.tensors[name].shape)}"
        for name in shared
        if found.tensors[name].shape != wanted.tensors[name].shape
    ]
    kinds = (("tensors missing", sorted(missing)), ("tensors too many", sorted(extra)), ("wrong shapes", shapes))
    return [f"{kind}: {some(names)} (compared with {wanted.folder})" for kind, names in kinds if names]


def not_finite(checkpoint: Checkpoint) -> list[str]:
    """The tensors that hold a NaN or Inf, each read once."""
    return [name for name in sorted(checkpoint.tensors) if not checkpoint.finite(name)]


def unchanged(found: Checkpoint, start: Checkpoint) -> bool:
    """Whether training moved nothing: every tensor that both have equals `start`'s in float32.

    A bfloat16 save of a float32 start differs by rounding alone, so `start` is rounded the same way first.
    Stops at the first difference, which is nearly always in the first chunk.
    """
    for name in sorted(found.tensors.keys() & start.tensors.keys()):
        info = found.tensors[name]
        if info.shape != start.tensors[name].shape:
            continue
        for begin, end in chunks(info.size):
            before = start.float32(name, begin, end)
            if info.dtype == "BF16":
                before = from_bfloat16(to_bfloat16(before))
            if (found.float32(name, begin, end) != before).any():
                return False
    return True


def dtypes(checkpoint: Checkpoint) -> list[str]:
    """The dtypes that occur, as safetensors names them."""
    return sorted({info.dtype for info in checkpoint.tensors.values()})


def some(names: Sequence[str] | Collection[str]) -> str:
    """The first three names, and how many there are if more."""
    listed = list(names)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
