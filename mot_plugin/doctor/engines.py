"""Do the models that vLLM serves fit on the GPUs that are here: the student of evaluations, and each teacher?"""

from collections.abc import Iterator, Mapping
from typing import Any

from mot_plugin.costs import shape
from mot_plugin.doctor.context import Context
from mot_plugin.doctor.finding import Finding, error, ok, unknown
from mot_plugin.doctor.fits import size_of
from mot_plugin.doctor.memory import in_words
from mot_plugin.errors import FileError

SHARE = 0.9
"""Of a GPU's memory that vLLM takes if nobody says how much (gpu_memory_utilization)."""


def check(context: Context) -> Iterator[Finding]:
    """Weights, and the cache of one answer of full length: with less vLLM does not start."""
    if context.recipe is None:
        return
    if "evaluate" in context.kinds and context.machine.eval.engine == "vllm":
        yield from _student(context)
    for name in context.recipe.teachers if "traces" in context.kinds else ():
        if context.recipe.teachers[name].live and context.machine.teacher(name).serve is not None:
            yield _teacher(context, name)


def _student(context: Context) -> Iterator[Finding]:
    arguments, config, model = context.machine.eval.model_args, context.config or context.stated, size_of(context)
    if config is None or model is None:
        yield unknown("memory to evaluate", "the student is of unknown size")
        return
    size, heads = arguments.get("tensor_parallel_size", 1), config.get("num_attention_heads")
    if isinstance(size, int) and isinstance(heads, int) and heads % size:
        fitting = max(one for one in range(1, size + 1) if heads % one == 0)
        said = f"{size} GPUs do not divide the student's {heads} attention heads"
        yield error(
            "tensor_parallel_size", said, f"write `tensor_parallel_size: {fitting}` under eval.model_args", FileError
        )
    length = arguments.get("max_model_len", config.get("max_position_embeddings"))
    need = 2 * model.parameters + cache(config, length if isinstance(length, int) else 0)
    share = arguments.get("gpu_memory_utilization", SHARE)
    less = "lower max_model_len, or raise gpus_per_engine and tensor_parallel_size, under `eval:` in the machine file"
    yield _against(context, "memory to evaluate", need, context.machine.eval.engine_gpus, share, less)


def _teacher(context: Context, name: str) -> Finding:
    flags, folder = context.machine.teacher(name).serve or {}, context.teacher_folder(name)
    model = shape.of_folder(name, folder) if folder else shape.of_name(context.recipe.teachers[name].model or "")  # type: ignore[union-attr]
    what = f"memory to serve {name}"
    if model is None:
        return unknown(what, "nothing is known of its size")
    count = flags.get("tensor_parallel_size", context.machine.gpus_for("traces"))
    hint = f"name an endpoint instead: teachers: {{{name}: {{endpoint: http://HOST:PORT/v1}}}}"
    return _against(context, what, model.bytes, count, flags.get("gpu_memory_utilization", SHARE), hint)


def _against(context: Context, what: str, need: float, count: Any, share: Any, remedy: str) -> Finding:
    cards = context.cards if context.local else None
    count, share = count if isinstance(count, int) else 1, share if isinstance(share, float) else SHARE
    said = f"about {in_words(need)} on {count} GPU{'s' if count > 1 else ''}"
    if not cards:
        return unknown(what, f"{said}; how much memory they have is not to be seen from here")
    room = share * min(card.total for card in cards) * count
    said = f"{said}, of which vLLM takes {in_words(room)}"
    return ok(what, said) if need <= room else error(what, f"{said}: it does not fit", remedy)


def cache(config: Mapping[str, Any], tokens: int) -> float:
    """Bytes of the keys and values of so many tokens, in 16 bits."""
    heads = config.get("num_key_value_heads") or config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    return float(2 * 2 * config["num_hidden_layers"] * heads * width * tokens)
