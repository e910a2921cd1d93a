"""A tiny student tokenizer, as a folder of files, and configs of step `corpus`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from corpus_samples import Line, write_jsonl
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from mot_plugin.corpus.build import Config

# Qwen3's row for a user and an assistant turn, with a date, loop controls and marked generations thrown in.
TEMPLATE = """\
{%- if messages[0].role == 'system' %}
    {{- raise_exception('no system turns here') }}
{%- endif %}
{# the day is written by strftime_now in some templates #}
{% for message in messages %}
    {%- if message.role == 'user' %}
{{ '<|im_start|>user\\n' + message.content + eos_token + '\\n' }}
    {%- else %}
{{ '<|im_start|>assistant\\n' }}
        {%- generation %}
{{ message.content + eos_token + '\\n' }}
        {%- endgeneration %}
    {%- endif %}
{% endfor %}
{{ {'turns': messages|length, 'text': '<a & b>'} | tojson }}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One token per byte, plus chat and think tokens, with its template in a file of its own."""
    folder = tmp_path_factory.mktemp("student")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({character: index for index, character in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in ("<think>", "</think>")])
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": {"__type": "AddedToken", "content": "<|im_end|>", "special": True},
        "pad_token": "<|endoftext|>",
        "add_bos_token": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


@pytest.fixture
def corpus_config(tmp_path: Path, tokenizer_folder: Path) -> Callable[..., Any]:
    """A config of step `corpus` whose traces are the given lines."""

    def make(rows: list[Line], out: str = "out", **changed: Any) -> Config:
        teacher = changed.get("teacher", "qwq")
        fields = {
            "teacher": teacher,
            "source_name": "toy-3",
            "traces": str(write_jsonl(tmp_path / f"{out}.traces" / f"{teacher}.jsonl", rows)),
            "tokenizer": str(tokenizer_folder),
            "prompt": "{problem}\nUse {braces} and \\boxed{}.",
            "max_tokens": 1000,
            "seed": 3,
            "out": str(tmp_path / out),
        }
        return Config.model_validate(fields | changed)

    return make
