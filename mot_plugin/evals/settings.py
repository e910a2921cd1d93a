"""With which settings a task's answers were made, as scores.json says it, and which of two do not make a fair comparison."""

from collections.abc import Mapping, Sequence
from typing import Any

_NAMES = {"max_gen_toks": "max_tokens"}
_GENERATION = ("do_sample", "temperature", "top_p", "top_k", "min_p", "max_tokens", "until")
_ENGINE = (
    "dtype quantization kv_cache_dtype max_model_len max_length truncation enable_thinking think_end_token "
    "chat_template chat_template_args rope_scaling hf_overrides revision".split()
)
"""Model arguments that are told. Others may be keys, or say where a server is."""

_OTHER_ANSWERS = (*_GENERATION, "more", "shots", "chat_template", "system_instruction")
_THOUGHT = ("enable_thinking", "think_end_token", "truncation")

Settings = dict[str, Any]


def of_task(
    config: Mapping[str, Any], results: Mapping[str, Any], samples: Sequence[Mapping[str, Any]], task: str
) -> Settings:
    """From lm-eval's configuration of the task, its results and samples, or those that step `generate` put together.

    None: nobody set it, so the engine's own default was used, or lm-eval did not say. `seeds` are those of the shards.
    """
    asked = {_NAMES.get(name, name): value for name, value in (config.get("generation_kwargs") or {}).items()}
    parts = results.get("shards", {}).get(task)
    one = dict(parts[0]) if parts else _by_hand(results)
    versions = one.get("lm_eval") or {}
    return {
        **{name: asked.pop(name, None) for name in _GENERATION},
        "more": {name: value for name, value in sorted(asked.items()) if name != "seed"},
        "shots": config.get("num_fewshot"),
        "repeats": config["repeats"],
        "version": results["versions"].get(task),
        "seeds": sorted({seed for sample in samples for seed in sample.get("seeds", ())}) or one.get("seeds"),
        "shards": len(parts) if parts else 1,
        "engine": one.get("engine"),
        "model_args": {name: value for name, value in _arguments(one.get("model_args")).items() if name in _ENGINE},
        "chat_template": one.get("chat_template"),
        "chat_template_sha": one.get("chat_template_sha"),
        "system_instruction": one.get("system_instruction"),
        "lm_eval": versions.get("lm_eval_version"),
        "transformers": versions.get("transformers_version"),
    }


def _by_hand(results: Mapping[str, Any]) -> Settings:
    """What lm-eval itself says of the whole evaluation."""
    config = results.get("config") or {}
    sha = results.get("chat_template_sha")
    seed = _arguments(config.get("model_args")).get("seed", config.get("random_seed"))
    return {
        "engine": config.get("model"),
        "model_args": config.get("model_args"),
        "seeds": None if seed is None else [int(seed)],
        "chat_template": results["chat_template"] is not None if "chat_template" in results else True if sha else None,
        "chat_template_sha": sha,
        "system_instruction": results.get("system_instruction"),
        "lm_eval": results,
    }


def _arguments(given: Any) -> dict[str, Any]:
    """Model arguments, which lm-eval reports as they were given: a mapping, or `key=value,key=value`."""
    if isinstance(given, Mapping):
        return dict(given)
    return dict(pair.partition("=")[::2] for pair in str(given or "").split(",") if "=" in pair)


def unfair(here: Settings | None, there: Settings | None) -> list[str]:
    """Settings that make other answers, as `what: here, there`. Empty where one of the two says nothing of its settings."""
    if here is None or there is None:
        return []
    found = _differing(here, there, _OTHER_ANSWERS)
    return found + _differing(here.get("model_args") or {}, there.get("model_args") or {}, _THOUGHT)


def remarkable(here: Settings | None, there: Settings | None) -> list[str]:
    """Differences that leave two comparable, as `what: here, there`, and that a reader should know all the same."""
    if here is None or there is None:
        return []
    arguments = [name for name in _ENGINE if name not in _THOUGHT]
    found = _differing(here, there, ("engine", "lm_eval"))
    return found + _differing(here.get("model_args") or {}, there.get("model_args") or {}, arguments)


def _differing(here: Settings, there: Settings, names: Sequence[str]) -> list[str]:
    pairs = [(name, here.get(name), there.get(name)) for name in names]
    return [f"{name}: {_word(one)}, {_word(other)}" for name, one, other in pairs if one != other]


def _word(value: Any) -> str:
    return "not set" if value is None else str(value)
