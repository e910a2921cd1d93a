"""What scores.json says of the settings that answers were made with, and which of two make a fair comparison."""

import json
from typing import Any

import pytest

from mot_plugin.evals import settings

CONFIG = {
    "repeats": 4,
    "num_fewshot": 0,
    "generation_kwargs": {"do_sample": True, "temperature": 0.6, "top_p": 0.95, "max_gen_toks": 32768, "until": []},
}


BY_HAND = {
    "versions": {"mot_a": 1.0},
    "config": {
        "model": "vllm",
        "model_args": "pretrained=somewhere,dtype=bfloat16,max_model_len=40960,seed=7,auth_token=secret",
        "random_seed": 0,
    },
    "chat_template": "{{ messages }}",
    "chat_template_sha": "abc",
    "lm_eval_version": "0.4.13",
}


def test_what_lm_eval_says_by_itself() -> None:
    said = settings.of_task(CONFIG, BY_HAND, [], "mot_a")
    assert said == {
        "do_sample": True,
        "temperature": 0.6,
        "top_p": 0.95,
        "top_k": None,
        "min_p": None,
        "max_tokens": 32768,
        "until": [],
        "more": {},
        "shots": 0,
        "repeats": 4,
        "version": 1.0,
        "seeds": [7],
        "shards": 1,
        "engine": "vllm",
        "model_args": {"dtype": "bfloat16", "max_model_len": "40960"},
        "chat_template": True,
        "chat_template_sha": "abc",
        "system_instruction": None,
        "lm_eval": "0.4.13",
        "transformers": None,
    }


def test_what_is_not_said_is_not_made_up() -> None:
    said = settings.of_task({"repeats": 1}, {"versions": {}}, [], "mot_a")
    assert (said.pop("more"), said.pop("model_args"), said.pop("repeats"), said.pop("shards")) == ({}, {}, 1, 1)
    assert set(said.values()) == {None}


@pytest.mark.parametrize(
    ("results", "on"),
    [
        ({"chat_template": "{{ messages }}", "chat_template_sha": "abc"}, True),
        ({"chat_template": "", "chat_template_sha": None}, True),  # an endpoint's own
        ({"chat_template": None, "chat_template_sha": None}, False),
        ({"chat_template_sha": "abc"}, True),
        ({}, None),
    ],
)
def test_the_chat_template_is_on_or_off(results: dict[str, Any], on: bool | None) -> None:  # noqa: FBT001
    assert settings.of_task(CONFIG, {"versions": {}, **results}, [], "mot_a")["chat_template"] is on


def test_arguments_and_seeds_may_come_in_several_forms() -> None:
    results = {
        **BY_HAND,
        "config": {"model": "hf", "model_args": {"dtype": "float32", "pretrained": "x"}, "random_seed": 3},
    }
    said = settings.of_task(CONFIG, results, [], "mot_a")
    assert (said["model_args"], said["seeds"]) == ({"dtype": "float32"}, [3])


def test_shards_say_it_each_for_itself() -> None:
    part = {"engine": "vllm", "model_args": {"max_model_len": 40960, "header": "secret"}, "chat_template": True}
    part |= {"chat_template_sha": None, "lm_eval": {"lm_eval_version": "0.4.13", "transformers_version": "5"}}
    samples = [{"seeds": [3, 3, 2, 2]}, {"seeds": [2, 3]}]
    said = settings.of_task(CONFIG, {"versions": {}, "shards": {"mot_a": [part, part]}}, samples, "mot_a")
    assert (said["seeds"], said["shards"], said["engine"]) == ([2, 3], 2, "vllm")
    assert (said["model_args"], said["chat_template"], said["transformers"]) == ({"max_model_len": 40960}, True, "5")
    assert "secret" not in json.dumps(said)


@pytest.mark.parametrize(
    ("change", "unfair", "remarkable"),
    [
        ({"max_tokens": 38912}, ["max_tokens: 32768, 38912"], []),
        ({"temperature": 1.0, "top_k": 20}, ["temperature: 0.6, 1.0", "top_k: not set, 20"], []),
        ({"more": {"presence_penalty": 1.5}}, ["more: {}, {'presence_penalty': 1.5}"], []),
        ({"chat_template": False}, ["chat_template: True, False"], []),
        ({"model_args": {"enable_thinking": "False"}}, ["enable_thinking: not set, False"], ["dtype", "max_model_len"]),
        ({"engine": "hf"}, [], ["engine"]),
        ({"seeds": [1, 2], "shards": 2, "repeats": 16, "chat_template_sha": "other"}, [], []),
    ],
)
def test_which_differences_matter(change: settings.Settings, unfair: list[str], remarkable: list[str]) -> None:
    here = settings.of_task(CONFIG, BY_HAND, [], "mot_a")
    there = {**here, **change}
    assert settings.unfair(here, here) == settings.remarkable(here, here) == []
    assert settings.unfair(here, there) == unfair
    assert [one.partition(":")[0] for one in settings.remarkable(here, there)] == remarkable
    for nothing in (settings.unfair, settings.remarkable):
        assert nothing(None, there) == nothing(here, None) == []
