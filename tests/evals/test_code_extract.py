"""Which part of an answer is the program. The answers are what thinking models write after their thought."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mot_plugin.evals.code.extract import program

CODE = "n = int(input())\nprint(n * 2)"
FOUND = {
    "with a language": f"```python\n{CODE}\n```",
    "without one": f"```\n{CODE}\n```",
    "another spelling": f"```Python3\n{CODE}\n```",
    "prose around": f"### Solution\n\nDouble it.\n\n```python\n{CODE}\n```\n\nThis runs in **O(1)**.",
    "Qwen3's heading": f"\n\n---\n\n### ✅ Final Answer\n\n```python\n{CODE}\n```",
    "the last of several": f"First idea:\n```python\nprint(1)\n```\nBetter:\n```python\n{CODE}\n```",
    "spaces behind": f"```python  \n{CODE}\n```   ",
    "end token": f"```python\n{CODE}\n```<|im_end|>",
    "end tokens": f"```python\n{CODE}\n``` <|im_end|> <|endoftext|>",
    "windows lines": f"```python\r\n{CODE}\n```\r",
    "four backticks": f"````python\n{CODE}\n````",
    "unclosed afterwards": f"```python\n{CODE}\n```\nExample:\n```\n3",
    "unclosed before": f"Starter:\n```python\nclass A:\n\n```python\n{CODE}\n```",
    "inline backticks": f"Use `int()`.\n```python\n{CODE}\n```\nand ```not a block``` here",
    "indented in a list": "1. Do it:\n\n   ```python\n   n = int(input())\n   print(n * 2)\n   ```",
    "indented by a tab": "\t```python\n\tn = int(input())\n\tprint(n * 2)\n\t```",
    "indented fences only": f"   ```python\n{CODE}\n   ```",
}
NOTHING = {
    "empty": "",
    "prose": "I cannot solve this problem.",
    "code without fences": CODE,
    "one fence": f"```python\n{CODE}",
    "one fence behind": f"{CODE}\n```",
    "empty block": "```python\n```",
    "blank block": "```python\n\n   \n```",
    "one line": "```print(1)```",
    "a shorter fence closes nothing": f"````python\n{CODE}\n```",
    "tildes": f"~~~python\n{CODE}\n~~~",
}


@pytest.mark.parametrize("form", FOUND)
def test_the_program_is_found(form: str) -> None:
    found = program(FOUND[form])
    assert found is not None
    assert found.replace("\r", "") == CODE


@pytest.mark.parametrize("form", NOTHING)
def test_there_is_no_program(form: str) -> None:
    assert program(NOTHING[form]) is None


def test_the_last_block_counts_even_if_it_is_an_example() -> None:
    assert program(f"```python\n{CODE}\n```\nOutput:\n```\n6\n```") == "6"


def test_the_inside_of_a_block_is_kept_as_it_is() -> None:
    inside = 'def f():\n\tif 1:\n\t\treturn "``"\n\n\n# ` and `` and é\u2028end'
    assert program(f"```python\n{inside}\n```") == inside
    assert program("  ```python\n  if 1:\n      print(1)\n  ```") == "if 1:\n    print(1)"


lines = st.text(st.characters(blacklist_characters="`\n", blacklist_categories=("Cs",)))


@given(st.lists(lines, min_size=1).filter(lambda some: any(line.strip() for line in some)), st.lists(lines))
def test_any_block_after_any_prose_is_found(block: list[str], prose: list[str]) -> None:
    answer = "\n".join([*prose, "```python", *block, "```", *prose])
    assert program(answer) == "\n".join(block)
