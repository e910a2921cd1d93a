"""Chat templates: what LLaMA-Factory trains on beside what the student is served with."""

import json
from pathlib import Path

import pytest
from doctor_place import TEMPLATE, Place, Venv
from tokenizers import AddedToken, Tokenizer

SYSTEM = "<|im_start|>system\nYou are helpful.<|im_end|>\n"


def student(place: Place) -> Path:
    return place.world.root / "student"


def test_templates_that_agree(place: Place) -> None:
    told = place.told()
    assert told["chat template"].level == told["end of an answer"].level == told["thoughts"].level == "ok"
    assert "template qwen3" in told["chat template"].found
    assert told["end of an answer"].found.startswith("<|im_end|> (token 2) is learnt")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (SYSTEM + TEMPLATE, "the prompt differs at character 12: trained 'im_start|>user"),
        (TEMPLATE.replace("assistant\n{% endif", "assistant\n<think>\n{% endif"), "the prompt differs at character "),
        (TEMPLATE.replace("<|im_end|>\n{% endfor", "\n<|im_end|>\n{% endfor"), "the prompt differs at character "),
        (TEMPLATE.replace("m.content }}<", "m.content.split('</think>')[-1] }}<"), "the row differs at character "),
    ],
)
def test_a_template_that_differs(place: Place, template: str, said: str) -> None:
    (student(place) / "chat_template.jinja").write_text(template)
    wrong = place.told()["chat template"]
    assert (wrong.level, wrong.code) == ("error", 2)
    assert wrong.found.startswith(said)
    assert wrong.remedy.startswith(
        "take the `sft.template` that the student was made with, or put qwen3's chat template"
    )


def test_what_stands_behind_an_answer_is_read_by_nobody(place: Place) -> None:
    quiet = TEMPLATE.replace(
        "<|im_end|>\n{% endfor",
        "<|im_end|>{% if not loop.last or add_generation_prompt %}{{ '\\n' }}{% endif %}{% endfor",
    )
    (student(place) / "chat_template.jinja").write_text(quiet)
    assert place.told()["chat template"].level == "ok"


def test_another_template_of_llamafactory(place: Place) -> None:
    place.recipe(sft={"template": "llama3"})
    wrong = place.told()["chat template"]
    assert wrong.level == "error"
    assert "trained '<|start_header_id|>user" in wrong.found


def test_a_template_that_llamafactory_does_not_have(place: Place) -> None:
    place.recipe(sft={"template": "qwen33"})
    wrong = place.told()["sft.template"]
    assert (wrong.level, wrong.code) == ("error", 2)
    assert wrong.found == "LLaMA-Factory has no template 'qwen33', did you mean 'qwen3'?"


def test_a_template_that_cannot_be_read_is_said_to_be_so(place: Place) -> None:
    place.recipe(sft={"template": "glm4_7"})
    told = place.told()["chat template"]
    assert (told.level, told.found) == (
        "unknown",
        "LLaMA-Factory's glm4_7 cannot be read: not compared with the student's own",
    )


def test_a_template_that_is_broken(place: Place) -> None:
    (student(place) / "chat_template.jinja").write_text("{% for m in messages %}")
    wrong = place.told()["chat template"]
    assert (wrong.level, wrong.code) == ("error", 2)
    assert "is not valid" in wrong.found


def test_answers_that_would_not_end(place: Place) -> None:
    place.config("tokenizer_config.json", eos_token="<|endoftext|>")
    place.config("generation_config.json", eos_token_id=0)
    wrong = place.told()["end of an answer"]
    assert (wrong.level, wrong.code) == ("error", 2)
    assert wrong.found == "<|im_end|> ends every trained answer, and generation stops at [0]: answers would not end"
    assert wrong.remedy.startswith('write "eos_token_id": [0, 2] into ')


def test_thoughts_that_are_taken_away(place: Place) -> None:
    place.machine(eval={"model_args": {"enable_thinking": False, "think_end_token": "</think>"}})
    wrong = place.told()["thoughts in evaluations"]
    assert (wrong.level, wrong.remedy) == ("error", "take `enable_thinking` out of eval.model_args")
    place.machine(eval={"model_args": {"think_end_token": "</think>"}})
    assert place.told()["thoughts in evaluations"].level == "warning"
    place.machine(eval={"model_args": {}})
    place.recipe(sft={"enable_thinking": False})
    assert place.told()["thoughts in training"].level == "warning"


def test_think_tags_that_vanish(place: Place) -> None:
    file = student(place) / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in ("<think>", "</think>")])
    tokenizer.save(str(file))
    assert "think tags" not in place.told()
    written = json.loads(file.read_text())
    for token in written["added_tokens"]:
        token["special"] = True
    file.write_text(json.dumps(written))
    wrong = place.told()["think tags"]
    assert (wrong.level, wrong.found) == (
        "warning",
        "<think>, </think> are special in tokenizer.json: answers are shown without",
    )


def test_the_template_is_that_of_the_tools_own_environment(place: Place, venv: Venv) -> None:
    venv.has(llamafactory="0.9.5", transformers="5.5.4")
    package = venv.packages / "llamafactory" / "data"
    package.mkdir(parents=True)
    (venv.packages / "llamafactory" / "__init__.py").write_text("raise SystemExit('not to be imported')\n")
    written = 'register_template(name="own", format_user=StringFormatter(slots=["Q: {{content}}\\n"]), stop_words=["<|im_end|>"])\n'
    (package / "template.py").write_text(written)
    place.machine(tools={"llamafactory-cli": {"command": [venv.command("llamafactory-cli")]}})
    assert place.told()["sft.template"].found == "LLaMA-Factory has no template 'qwen3'; it has 1 others"
    place.recipe(sft={"template": "own"})
    assert "trained 'Q: What is 2 + 3?" in place.told()["chat template"].found
    (student(place) / "chat_template.jinja").write_text(
        "{% for m in messages %}{% if m.role == 'user' %}Q: {{ m.content }}{{ '\\n' }}"
        "{% else %}{{ m.content }}<|im_end|>{% endif %}{% endfor %}"
    )
    assert place.told()["chat template"].level == "ok"
