"""vLLM's command lines, what may not be in them, and what its last words mean."""

import argparse
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mot_plugin.tools import vllm
from mot_plugin.tools.advice import advise


def serve(model: str = "artifacts/teacher/model", **flags: Any) -> list[str]:
    return list(vllm.serve(model, name="anna", host="127.0.0.1", port="{port}", flags=flags))


def test_a_server() -> None:
    assert serve(max_model_len=40960, tensor_parallel_size=4) == [
        *("serve", "artifacts/teacher/model", "--served-model-name", "anna", "--generation-config", "vllm"),
        *("--host", "127.0.0.1", "--port", "{port}", "--disable-uvicorn-access-log"),
        *("--max-model-len", "40960", "--tensor-parallel-size", "4"),
    ]


def test_a_batch() -> None:
    line = vllm.run_batch("org/name@abc", name="anna", requests="in.jsonl", out="out.jsonl", flags={"seed": 3})
    assert line == (
        *("run-batch", "-i", "in.jsonl", "-o", "out.jsonl", "--model", "org/name", "--served-model-name", "anna"),
        *("--generation-config", "vllm", "--revision", "abc", "--seed", "3"),
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, ["--enforce-eager"]),
        (False, ["--no-enforce-eager"]),
        (None, []),
        (0.9, ["--enforce-eager", "0.9"]),
        ("auto", ["--enforce-eager", "auto"]),
        ({"a": [1, "ü"]}, ["--enforce-eager", '{"a": [1, "ü"]}']),
        (["a", "b c"], ["--enforce-eager", "a", "b c"]),
    ],
)
def test_a_value_as_words(value: Any, words: list[str]) -> None:
    assert serve(enforce_eager=value) == [*serve(), *words]


def test_switches_that_cannot_be_denied() -> None:
    assert serve(disable_log_stats=True) == [*serve(), "--disable-log-stats"]
    assert serve(disable_log_stats=False) == serve()


def test_the_access_log_can_be_had_back() -> None:
    assert "--no-disable-uvicorn-access-log" in serve(disable_uvicorn_access_log=False)
    assert "--disable-uvicorn-access-log" not in serve(disable_uvicorn_access_log=False)


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("Qwen/Qwen3-8B", ("Qwen/Qwen3-8B", None)),
        ("Qwen/Qwen3-8B@main", ("Qwen/Qwen3-8B", "main")),
        ("Qwen/Qwen3-8B@refs/pr/4", ("Qwen/Qwen3-8B", "refs/pr/4")),
        ("./models/a@b", ("./models/a@b", None)),
        ("../a@b", ("../a@b", None)),
        ("/models/x@y", ("/models/x@y", None)),
        ("artifacts/mot/round-1/m@x", ("artifacts/mot/round-1/m@x", None)),
    ],
)
def test_a_revision_is_of_the_hub_only(model: str, parts: tuple[str, str | None]) -> None:
    assert vllm.split(model) == parts
    assert (parts[1] is None) == ("--revision" not in serve(model))


@pytest.mark.parametrize("key", ["port", "model", "served_model_name", "no_headless", "uds", "--host", "ssl-keyfile"])
def test_what_the_plan_sets_is_refused(key: str) -> None:
    assert vllm.refuse({key: 1, "seed": 2}) == [((key,), "set by the plan, not by a machine file")]
    with pytest.raises(ValueError, match=f"{key}: set by the plan"):
        vllm.serve("m", name="n", host="h", port=1, flags={key: 1})


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"max-model-len": 1}, "write it as 'max_model_len'"),
        ({"--max-model-len": 1}, "write it as 'max_model_len'"),
        ({"no_enforce_eager": True}, "write 'enforce_eager': false"),
        ({"enforce_eager": "yes"}, "write true or false: the word 'yes'"),
        ({"hf_token": "hf_x"}, "set HF_TOKEN in the environment"),
        ({"api_key": "x"}, "needs no key"),
    ],
)
def test_what_would_not_mean_what_it_says(flags: dict[str, Any], message: str) -> None:
    [(path, said)] = vllm.refuse(flags)
    assert path == tuple(flags)
    assert message in said
    assert "hf_x" not in said


def test_every_finding_at_once() -> None:
    with pytest.raises(ValueError, match=r"port: set by the plan.*; uds: set by the plan"):
        serve(port=1, max_num_seqs=2, uds="x")


NAMES = st.sampled_from("seed dtype max_model_len enforce_eager chat_template kv_cache_dtype".split())
WORDS = st.text("abc{}\" '=,-:", min_size=1).filter(lambda word: word != "--")  # argparse loses that word everywhere
VALUES = st.integers() | st.booleans() | WORDS | st.dictionaries(st.text("ab"), st.integers())


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_a_parser_reads_what_was_meant(flags: dict[str, Any]) -> None:
    """argparse, which vLLM's parser is, gets every value back."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for key, value in flags.items():
        action: dict[str, Any] = {"action": argparse.BooleanOptionalAction} if isinstance(value, bool) else {}
        parser.add_argument(f"--{key.replace('_', '-')}", **action)
    words = serve(**flags)[len(serve(**dict.fromkeys(flags))) :]
    read = vars(parser.parse_args(words))
    for key, value in flags.items():
        assert (json.loads(read[key]) if isinstance(value, dict) else read[key]) == (
            value if isinstance(value, bool | dict) else str(value)
        )


# Words of vLLM 0.32 and of its libraries, cut to the part that tells.
LAST_WORDS = {
    "OSError: [Errno 98] Address already in use": ("took the server's port", True),
    "Value error, User-specified max_model_len (4096) is greater than the derived max_model_len (max_pos": (
        "more than the model was made for",
        False,
    ),
    "GiB KV cache is needed, which is larger than the available KV cache memory (0.1 GiB).": ("KV cache", False),
    "ValueError: No available memory for the cache blocks. Try increasing": ("KV cache", False),
    "Total number of attention heads (4) must be divisible by tensor parallel size (3).": ("does not divide", False),
    "World size (8) is larger than the number of available GPUs (1) in this node.": ("more GPUs than are here", False),
    "on startup is less than desired GPU memory utilization (0.9, 71 GiB)": ("than is free", True),
    "on kv cache allocation is less than requested memory for kv (900.0 GiB).": ("than is free", True),
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate": ("memory ran out", True),
    "Cannot access gated repo for url": ("to its members only", False),
    "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find": ("not here", False),
    "vllm: error: unrecognized arguments: --max-model-lenn 512": ("refuses one of its flags", False),
    "vllm serve: error: argument --dtype: invalid choice: 'float12'": ("refuses one of its flags", False),
    "importlib.metadata.PackageNotFoundError: No package metadata was found for vllm": ("packaging/vllm_cpu.sh", False),
    "OSError: [Errno 28] No space left on device": ("disk is full", False),
}


@pytest.mark.parametrize("words", LAST_WORDS)
def test_last_words(words: str) -> None:
    remedy, again = advise(vllm.ADVICE, f"INFO loading\n{words}\nRuntimeError: Engine core initialization failed.")
    assert remedy is not None
    assert (LAST_WORDS[words][0] in remedy, again) == (True, LAST_WORDS[words][1])


def test_unknown_last_words() -> None:
    assert advise(
        vllm.ADVICE, "WARNING This can cause fd limit errors like `OSError: [Errno 24] Too many open files`"
    ) == (
        None,
        True,
    )


def test_every_advice_is_for_some_last_words() -> None:
    given_for = {advise(vllm.ADVICE, words)[0] for words in LAST_WORDS}
    assert given_for == {remedy for _, remedy, _ in vllm.ADVICE}
