"""LLaMA-Factory's templates as we read them from its source, beside what it makes of a row itself."""

from pathlib import Path

import pytest

from mot_plugin import lengths
from mot_plugin.doctor import templates
from mot_plugin.tools import llamafactory_template

pytestmark = pytest.mark.contract
STUDENT = Path(__file__).parents[2] / "recipes" / "quickstart" / "student"
USER, ANSWER = "What is 2 + 3?", "<think>\nTwo and three.\n</think>\n\nIt is \\boxed{5}."


def test_rows_are_what_llamafactory_makes_of_them() -> None:
    import llamafactory.data.template as theirs
    from transformers import AutoTokenizer

    source = Path(theirs.__file__).read_text(encoding="utf-8")
    known = llamafactory_template.read(source)
    assert known.keys() == theirs.TEMPLATES.keys()
    encode = lengths.encoder(STUDENT)
    compared = set()
    for name, ours in known.items():
        if not ours.readable:
            continue
        for thinking in (True, False):
            tokenizer = AutoTokenizer.from_pretrained(STUDENT)
            eos = tokenizer.eos_token
            made = theirs.TEMPLATES[name]
            if isinstance(made, theirs.ReasoningTemplate):  # as `get_template_and_fix_tokenizer` does
                made.enable_thinking = thinking
            messages = [{"role": "user", "content": USER}, {"role": "assistant", "content": ANSWER}]
            prompt, answer = made.encode_oneturn(tokenizer, messages)
            names = {"eos_token": eos, **({"bos_token": tokenizer.bos_token} if tokenizer.bos_token else {})}
            row = (*ours.prompt(USER), *ours.answer(ANSWER, thinking=thinking))
            if all(isinstance(piece, str) or templates.written(piece, names) in (eos, "") for piece in row):
                assert templates.ids(row, encode, names) == [*prompt, *answer], name
                compared.add(name)
    assert {
        "qwen3",
        "qwen3_nothink",
        "qwen",
        "llama3",
        "default",
        "deepseekr1",
        "chatml",
        "gemma3",
        "llama2_zh",
    } <= compared
    assert len(compared) > 60
