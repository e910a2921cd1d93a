"""One thing changed in a YAML text: every other byte stays, whatever the style of the mapping around it."""

import pytest

from mot_plugin import strict
from mot_plugin.editing import ABSENT, edit
from mot_plugin.errors import FileError

TEXT = """\
# title
name: a # why it is called so

teachers:
  # the first
  one: {traces: one.jsonl} # ours
  two:
    traces: two.jsonl
    # theirs
  three: {traces: "three, 3.jsonl"}

methods:
  mot: {rounds: 2, steps: 5}
  base: {}
seed: 0"""


def test_a_value_is_replaced_and_its_comment_stays() -> None:
    assert edit(TEXT, [(("name",), "b")]) == TEXT.replace("name: a #", "name: b #")
    assert edit(TEXT, [(("methods", "mot", "steps"), 7)]) == TEXT.replace("steps: 5", "steps: 7")
    assert edit(TEXT, [(("methods", "mot", "rounds"), ["x", "y"])]) == TEXT.replace("rounds: 2", "rounds: [x, y]")


def test_an_entry_is_put_in_as_the_last_one() -> None:
    assert edit(TEXT, [(("methods", "mot", "until"), "no_gain")]) == TEXT.replace(
        "steps: 5", "steps: 5, until: no_gain"
    )
    assert edit(TEXT, [(("methods", "base", "x"), 1)]) == TEXT.replace("base: {}", "base: {x: 1}")
    added = edit(TEXT, [(("methods", "one_shot"), {"merge": "linear"})])
    assert added == TEXT.replace("base: {}\n", "base: {}\n  one_shot: {merge: linear}\n")
    assert edit(TEXT, [(("probe",), {"points": 3})]) == f"{TEXT}\nprobe: {{points: 3}}\n"


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        (("teachers", "one"), "  one: {traces: one.jsonl} # ours\n"),
        (("teachers", "two"), "  two:\n    traces: two.jsonl\n"),
        (("teachers", "three"), '  three: {traces: "three, 3.jsonl"}\n'),
        (("methods", "mot", "rounds"), "rounds: 2, "),
        (("methods", "mot", "steps"), ", steps: 5"),
        (("seed",), "seed: 0"),
    ],
)
def test_an_entry_is_taken_out_with_its_line(path: tuple[str, ...], gone: str) -> None:
    assert edit(TEXT, [(path, ABSENT)]) == TEXT.replace(gone, "")


def test_what_is_not_there_needs_no_taking_out() -> None:
    assert edit(TEXT, [(("teachers", "four"), ABSENT)]) == TEXT


def test_several_changes_come_together() -> None:
    changed = edit(TEXT, [(("name",), "b"), (("teachers", "one"), ABSENT), (("seed",), 3)])
    data = strict.parse(TEXT, "text").data
    assert strict.parse(changed, "text").data == {**data, "name": "b", "seed": 3} | {
        "teachers": {name: data["teachers"][name] for name in ("two", "three")}
    }
    assert changed.count("\n") == TEXT.count("\n") - 1


def test_a_text_that_would_say_something_else_is_refused() -> None:
    """The only entry of a block: without it the key above would have no mapping any more."""
    with pytest.raises(FileError, match=r"cannot change a\.b in place: edit a copy by hand"):
        edit("a:\n  b: 1\n", [(("a", "b"), ABSENT)])
