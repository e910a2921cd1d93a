"""Tokens of a row, held against transformers' own count."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.lengths import token_count

QUICKSTART = Path(__file__).parents[1] / "recipes" / "quickstart" / "student"
PAIRS = [
    ("What is 5 · 5?", "<think>\nfive fives\n</think>\n\nIt is \\boxed{25}."),
    ("", ""),
    ("<a & b>\n\n", "  e\u0301 \u2028 中文 🙂\t\n"),
    ("<|im_end|>", "<think>" * 30),
]


def copy(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


def change_config(folder: Path, **entries: object) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def theirs(folder: Path, user: str, assistant: str) -> int:
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.backend_tokenizer.no_truncation()
    messages = [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
    return len(tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False))


def test_a_row_is_counted_to_the_token(tokenizer_folder: Path, tmp_path: Path) -> None:
    """By hand, one token per byte and per special token; the tokenizer's own limit of 16 tokens and its padding are off."""
    folder = copy(tokenizer_folder, tmp_path / "student")
    template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{{ eos_token }}\n{% endfor %}"
    (folder / "chat_template.jinja").write_text(template)
    user_turn = 1 + len("user\nab") + 1
    assistant_turn = 1 + len("assistant\n") + 1 + len("\nc\n") + 1 + len("\n\nd") + 1
    # trim_blocks takes no line end after an expression, so each turn ends with one
    assert token_count(folder)("ab", "<think>\nc\n</think>\n\nd") == user_turn + 1 + assistant_turn + 1


@pytest.mark.contract
@pytest.mark.parametrize(("user", "assistant"), PAIRS)
def test_transformers_counts_the_same(tokenizer_folder: Path, user: str, assistant: str) -> None:
    assert token_count(tokenizer_folder)(user, assistant) == theirs(tokenizer_folder, user, assistant)


@pytest.mark.contract
@pytest.mark.parametrize("several", [False, True])
def test_a_template_in_the_config_counts_the_same(tokenizer_folder: Path, tmp_path: Path, several: object) -> None:
    folder = copy(tokenizer_folder, tmp_path / "student")
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    named = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": template}]
    change_config(folder, chat_template=named if several else template)
    expected = token_count(tokenizer_folder)("ab", "cd")
    assert token_count(folder)("ab", "cd") == expected == theirs(folder, "ab", "cd")


@pytest.mark.contract
@pytest.mark.parametrize(("user", "assistant"), PAIRS)
def test_the_quickstart_student_counts_the_same(user: str, assistant: str) -> None:
    assert token_count(QUICKSTART)(user, assistant) == theirs(QUICKSTART, user, assistant)


@settings(deadline=None, max_examples=50)
@given(st.text(alphabet="abé\n<>|", max_size=30))
def test_every_byte_of_the_answer_counts(tokenizer_folder: Path, text: str) -> None:
    count = token_count(tokenizer_folder)
    assert count("x", text) == count("x", "") + len(text.encode())


def test_the_templates_own_file_wins(tokenizer_folder: Path, tmp_path: Path) -> None:
    folder = copy(tokenizer_folder, tmp_path / "student")
    change_config(folder, chat_template="x")
    assert token_count(folder)("a", "b") == token_count(tokenizer_folder)("a", "b")


def test_templates_may_ask_for_the_day_but_it_is_always_the_same(tokenizer_folder: Path, tmp_path: Path) -> None:
    folder = copy(tokenizer_folder, tmp_path / "student")
    (folder / "chat_template.jinja").write_text("{{ strftime_now('%Y-%m-%d') }}")
    assert token_count(folder)("a", "b") == len("2025-01-01")


def test_missing_files_are_named(tokenizer_folder: Path, tmp_path: Path) -> None:
    folder = copy(tokenizer_folder, tmp_path / "student")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(MissingInput, match=r"tokenizer\.json: no such file"):
        token_count(folder)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(MissingInput, match=r"no chat template: put a chat_template\.jinja there"):
        token_count(folder)
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(MissingInput, match="no chat template"):
        token_count(folder)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("tokenizer.json", "{}", "is not a tokenizer"),
        ("tokenizer_config.json", "{", "is not JSON"),
        ("tokenizer_config.json", "[]", "is not a JSON object"),
        ("chat_template.jinja", "{% for %}", "is not valid"),
    ],
)
def test_broken_files_are_named(tokenizer_folder: Path, tmp_path: Path, name: str, content: str, said: str) -> None:
    folder = copy(tokenizer_folder, tmp_path / "student")
    (folder / name).write_text(content)
    with pytest.raises(FileError, match=said):
        token_count(folder)


@pytest.mark.parametrize(
    "template", ["{{ raise_exception('not today') }}", "{{ ''.__class__.mro() }}", "{{ 1 + 'a' }}"]
)
def test_a_template_that_refuses_is_an_error_of_the_file(tokenizer_folder: Path, tmp_path: Path, template: str) -> None:
    folder = copy(tokenizer_folder, tmp_path / "student")
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(FileError, match="refuses a user and an assistant turn"):
        token_count(folder)("a", "b")
