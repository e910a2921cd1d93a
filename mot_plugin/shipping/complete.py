"""Is a model folder complete: can transformers, vLLM and the hub load it, and does what its small files say fit together?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mot_plugin import lengths
from mot_plugin.errors import CheckFailed, FileError, MissingInput
from mot_plugin.merging.folder import missing_files, read_json
from mot_plugin.merging.layout import HEAD, some
from mot_plugin.merging.weights import Checkpoint, open_checkpoint

_EMBEDDING = "model.embed_tokens.weight"
_DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}


def problems(folder: Path) -> list[str]:
    """All that is wrong with a model folder, a sentence each; empty when it is whole. Raises CheckFailed for broken weights."""
    absent = [f"lacks {name}" for name in missing_files(folder)]
    if absent:
        return absent
    checkpoint = open_checkpoint(folder)
    config, generation = read_json(folder / "config.json"), read_json(folder / "generation_config.json")
    return [
        *_weights(checkpoint, config),
        *_token_ids(folder, checkpoint, config, generation),
        *_template(folder, generation),
    ]


def _weights(checkpoint: Checkpoint, config: dict[str, Any]) -> Iterator[str]:
    stored = sorted({info.dtype for info in checkpoint.tensors.values()})
    said = config.get("dtype") or config.get("torch_dtype")
    if said is not None and said not in [_DTYPES.get(kind) for kind in stored]:
        yield f"config.json says dtype {said}, the weights are {', '.join(_DTYPES.get(kind, kind) for kind in stored)}"
    tied = config.get("tie_word_embeddings")
    if tied is False and HEAD not in checkpoint.tensors and _EMBEDDING in checkpoint.tensors:
        yield f"config.json says that the embeddings are not tied, but there is no {HEAD}"
    rows, size = checkpoint.tensors.get(_EMBEDDING), config.get("vocab_size")
    if rows is not None and size is not None and rows.shape[0] != size:
        yield f"config.json says vocab_size {size}, {_EMBEDDING} has {rows.shape[0]} rows"


def _token_ids(
    folder: Path, checkpoint: Checkpoint, config: dict[str, Any], generation: dict[str, Any]
) -> Iterator[str]:
    ids = lengths.token_ids(folder)
    rows = checkpoint.tensors.get(_EMBEDDING)
    size = config.get("vocab_size") or (rows.shape[0] if rows is not None else None)
    if size is not None and (high := [token for token, number in ids.items() if number >= size]):
        yield f"the tokenizer has ids from {size} on, which the model has no embedding for: {some(sorted(high))}"
    ends = generation.get("eos_token_id")
    named = ends if isinstance(ends, list) else [ends]
    if ends is None or not named:
        yield "generation_config.json names no eos_token_id: nothing would end an answer"
        return
    known = set(ids.values())
    for where, found in (("eos_token_id", named), ("pad_token_id", [generation.get("pad_token_id")])):
        strange = [number for number in found if number is not None and number not in known]
        if strange:
            yield f"generation_config.json: {where} {', '.join(map(str, strange))} is no token of the tokenizer"
    wanted = config.get("eos_token_id")
    for number in wanted if isinstance(wanted, list) else [wanted]:
        if number is not None and number not in named:
            yield f"config.json ends answers with token {number}, generation_config.json with {', '.join(map(str, named))}"
    eos = lengths.special_tokens(folder).get("eos_token")
    if eos is not None and ids.get(eos) not in named:
        yield f"the tokenizer's eos_token {eos} (id {ids.get(eos)}) is not among the eos_token_id of generation_config.json"


def _template(folder: Path, generation: dict[str, Any]) -> Iterator[str]:
    """The chat template with a question, and with an answer that has a thought."""
    try:
        asked = lengths.rendered(folder, [("user", "What is 6 x 7?")], generate=True)
        turns = [
            ("user", "What is 6 x 7?"),
            ("assistant", "<think>\n6 x 7 = 42\n</think>\n\nIt is 42."),
            ("user", "Thanks."),
            ("assistant", "<think>\nbe kind\n</think>\n\nYou are welcome."),
        ]
        told = lengths.rendered(folder, turns)
        ids = lengths.token_ids(folder)
    except (FileError, MissingInput) as error:
        yield str(error)
        return
    if "What is 6 x 7?" not in asked:
        yield "the chat template leaves the question out"
    for words in ("It is 42.", "You are welcome."):  # some templates leave thoughts out by design
        if words not in told:
            yield f"the chat template leaves out a part of a conversation: {words!r}"
    ends = generation.get("eos_token_id")
    named = {token for token, number in ids.items() if number in (ends if isinstance(ends, list) else [ends])}
    if named and not any(token in told.rpartition("welcome.")[2] for token in named):
        yield f"the chat template ends an answer with none of {', '.join(sorted(named))}, which end generation"


def check(folder: Path) -> None:
    """Raises one CheckFailed with everything that is wrong."""
    found = problems(folder)
    if found:
        raise CheckFailed(
            "\n".join(
                [
                    "the student cannot be shipped as it is; it was chosen and is kept, so only this step runs again",
                    *found,
                    "Mend these files in the base student, from which they are copied.",
                ]
            )
        )
