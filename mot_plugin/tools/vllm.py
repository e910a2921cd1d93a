"""vLLM 0.28 to 0.33: the one place that knows the flags of `vllm serve` and `vllm run-batch`, and what its last words mean."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mot_plugin.tools.advice import DISK_FULL, Advice

TOOL = "vllm"

OWN_FLAGS = frozenset(
    "model model_tag served_model_name revision config generation_config host port uds root_path grpc headless "
    "ssl_keyfile ssl_certfile ssl_ca_certs ssl_cert_reqs input_file output_file".split()
)
"""Set by the plan, or they would move the server away from the one address at which it is waited for and asked."""
SECRETS = {"api_key": "a server for one step needs no key", "hf_token": "set HF_TOKEN in the environment"}
"""Flags whose values every user of a machine could read, and what to do instead."""
ONLY_TRUE = frozenset({"disable_log_stats", "aggregate_engine_logging"})
"""Switches without a `--no-` form."""

ADVICE: Advice = (
    DISK_FULL,
    (
        r"address already in use",
        "another program took the server's port between our look and its start: try again",
        True,
    ),
    (
        r"max_model_len \(\d+\) is greater than the derived",
        "max_model_len is more than the model was made for: lower it in the machine file, or leave it out",
        False,
    ),
    (
        r"larger than the available KV cache memory|No available memory for the cache blocks",
        "the memory left for the KV cache is too small for one sample of max_model_len tokens: lower max_model_len, raise "
        "gpu_memory_utilization (on a processor the variable VLLM_CPU_KVCACHE_SPACE), or take more GPUs",
        False,
    ),
    (
        r"must be divisible by tensor parallel size",
        "tensor_parallel_size does not divide the model's attention heads: take another in the machine file (1, 2, 4, 8)",
        False,
    ),
    (
        r"World size \(\d+\) is larger than the number of available GPUs|invalid device ordinal",
        "tensor_parallel_size asks for more GPUs than are here: lower it in the machine file",
        False,
    ),
    (
        r"is less than (?:desired [GC]PU memory utilization|requested memory for kv)",
        "more memory is asked for than is free: end what else uses it, or lower gpu_memory_utilization in the machine file "
        "(on a processor the variable VLLM_CPU_KVCACHE_SPACE)",
        True,
    ),
    (
        r"out of memory|OutOfMemoryError|can't allocate memory|Cannot allocate memory",
        "memory ran out: lower max_model_len, max_num_seqs or gpu_memory_utilization, or raise tensor_parallel_size",
        True,
    ),
    (
        r"gated repo|GatedRepoError|401 Client Error|403 Client Error",
        "the hub shows this model to its members only: accept its licence there and set HF_TOKEN, or name a local folder",
        False,
    ),
    (
        r"OfflineModeIsEnabled|LocalEntryNotFoundError|couldn't connect to|not a valid model identifier|HFValidationError",
        "the model is not here, nor to be had from the hub: name a local folder, or fetch it where there is a network",
        False,
    ),
    (
        r"error: unrecognized arguments|error: argument -",
        "this vLLM refuses one of its flags: mend them in the machine file (`vllm serve --help=all` lists them)",
        False,
    ),
    (
        r"No package metadata was found for vllm|operator torchvision::nms does not exist",
        "vLLM's environment is broken: on a processor make it with packaging/vllm_cpu.sh, else install vllm alone anew",
        False,
    ),
)
"""(pattern in the log, what to do, whether trying again can help); what says more stands before what says less."""

NOISE = re.compile(r"^ - (?:leaked |\.\.\. skipped)|nanobind|resource_tracker")
"""Lines at the very end of every log that say nothing about why it ended."""

ENV = (("DO_NOT_TRACK", "1"), ("VLLM_NO_USAGE_STATS", "1"))
"""For every start: without them it reports on its use to its makers."""

Finding = tuple[tuple[str, ...], str]
_HUB_ID = re.compile(r"([\w.-]+/[\w.-]+)@([\w./-]+)")


def refuse(flags: Mapping[str, Any]) -> list[Finding]:
    """What is wrong with flags that a user gave: (path below the block, message) of each finding."""
    found: list[Finding] = []
    for key, value in flags.items():
        plain = key.removeprefix("--").replace("-", "_")
        if plain in OWN_FLAGS or plain.removeprefix("no_") in OWN_FLAGS:
            found.append(((key,), "set by the plan, not by a machine file"))
        elif plain in SECRETS:
            found.append(((key,), f"its value would be seen in the list of processes: {SECRETS[plain]}"))
        elif key != plain:
            found.append(((key,), f"write it as {plain!r}: without leading dashes, words joined by '_'"))
        elif plain.startswith("no_") and isinstance(value, bool):
            found.append(((key,), f"write {plain.removeprefix('no_')!r}: {str(not value).lower()}"))
        elif value in ("yes", "no", "on", "off"):
            found.append(((key,), f"write true or false: the word {value!r} is text to vLLM"))
    return found


def serve(model: str, *, name: str, host: str, port: int | str, flags: Mapping[str, Any]) -> tuple[str, ...]:
    """Arguments of `vllm`: an OpenAI-compatible server for one model, which requests call `name`.

    `model` is a folder, or a hub id as `org/name` or `org/name@revision`. `port` may be a placeholder. Raises ValueError
    for flags that `refuse` finds fault with.
    """
    path, revision = split(model)
    where = ("--host", host, "--port", str(port))
    # One line per request would hide the server's last words.
    return ("serve", path, *_shared(name, revision), *where, *_passed({"disable_uvicorn_access_log": True, **flags}))


def run_batch(model: str, *, name: str, requests: str, out: str, flags: Mapping[str, Any]) -> tuple[str, ...]:
    """Arguments of `vllm`: answer a file of OpenAI batch requests, without a server.

    `out` is written only at the very end, and one request with an invalid body stops all: a missing `out` means nothing done.
    """
    path, revision = split(model)
    where = ("-i", requests, "-o", out, "--model", path)
    return ("run-batch", *where, *_shared(name, revision), *_passed(flags))


def split(model: str) -> tuple[str, str | None]:
    """`org/name@revision` as (id, revision); whatever else it is, a folder or a bare id, comes back as it is."""
    found = _HUB_ID.fullmatch(model)
    if found is None or model.startswith("."):
        return model, None
    return found[1], found[2]


def _shared(name: str, revision: str | None) -> tuple[str, ...]:
    # `vllm`: its own neutral defaults. Else a model's generation_config.json would fill in top_p and top_k that no request gave.
    said = ("--served-model-name", name, "--generation-config", "vllm")
    return said if revision is None else (*said, "--revision", revision)


def _passed(flags: Mapping[str, Any]) -> tuple[str, ...]:
    wrong = refuse(flags)
    if wrong:
        raise ValueError("; ".join(f"{'.'.join(path)}: {message}" for path, message in wrong))
    return tuple(word for key, value in flags.items() for word in _flag(key.replace("_", "-"), value))


def _flag(flag: str, value: Any) -> Iterator[str]:
    if value is None or (value is False and flag.replace("-", "_") in ONLY_TRUE):  # vLLM's own default
        return
    if isinstance(value, bool):
        yield f"--{flag}" if value else f"--no-{flag}"
        return
    words = [_text(one) for one in (value if isinstance(value, list | tuple) else [value])]
    if len(words) == 1 and words[0].startswith("-"):  # else it would be taken for a flag of its own
        yield f"--{flag}={words[0]}"
        return
    yield from (f"--{flag}", *words)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
