"""Looking into corpora: what is read again, and what it looks like in a terminal of 100 columns."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from corpus_samples import Line, completion, line, read_jsonl, write_jsonl
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from mot_plugin.corpus import build, reasons, show
from mot_plugin.corpus.look import Corpus, Judged, find, rejected
from mot_plugin.errors import FileError, MissingInput

Make = Callable[..., Corpus]
Picture = Callable[..., str]

LONG = "This takes a while. " * 100
ESCAPE = "\x1b[31mred\x1b[0m and [bold red]loud[/bold red] \x07"
ROWS = [
    line(
        "b2",
        completion(25, "the one"),
        completion(24),
        completion(25, reason="length"),
        {"text": "no box", "finish_reason": None},
    ),
    line("b1", completion(25, LONG), completion(25, LONG)),
    line("a1", completion(23), {"text": "", "unusable": "refusal"}, reference=["25", "25.0"]),
    line("a2", completion(25, f"{ESCAPE} thought")),
    line("none"),
]


@pytest.fixture
def corpus(corpus_config: Callable[..., build.Config], tmp_path: Path) -> Make:
    """A corpus in a run folder."""

    def make(rows: list[Line] = ROWS, **changed: Any) -> Corpus:
        config = corpus_config(rows, "run/artifacts/corpus/qwq", **changed)
        build.run(config)
        return Corpus(tmp_path / "run", "corpus/qwq", config)

    return make


def drawn(picture: Callable[..., None], *arguments: Any, width: int = 100, color: bool = False) -> str:
    """What a picture looks like on a terminal of this width."""
    file = io.StringIO()
    console = Console(
        file=file, width=width, force_terminal=True, highlight=False, color_system="truecolor" if color else None
    )
    picture(console, *arguments)
    return file.getvalue()


def prompt_of(corpus: Corpus, name: str, number: int | None = None, **options: Any) -> str:
    one = find(corpus.judged(), name)
    return drawn(show.prompt, corpus, one, corpus.prompts(), number, **options)


def test_a_mark_for_each_sample(corpus: Make) -> None:
    made = corpus()
    picture = drawn(show.prompts, made.judged(), made.problems(), "qwq on toy-3")
    rows = [row.split() for row in picture.split("\n")[2:] if row]
    assert rows[0] == ["id", "samples", "no", "row", "problem"]
    assert rows[1:] == [
        ["a1", "x!", "no_correct_sample", "Problem", "a1?"],
        ["a2", "✓", "Problem", "a2?"],
        ["b1", "++", "too_long", "Problem", "b1?"],
        ["b2", "✓x…!", "Problem", "b2?"],
        ["none", "no_trace", "Problem", "none?"],
    ]


def test_marks_and_words_are_explained_where_they_occur(corpus: Make) -> None:
    judged = corpus().judged()
    said = drawn(show.explain, judged)
    for word in ("correct", "wrong", "truncated", "unfinished", "refusal"):
        assert reasons.of_sample(word).sentence in said
    for word in ("no_correct_sample", "too_long", "no_trace"):
        assert f"No row: {reasons.of_prompt(word)}." in said
    assert "kept" in said
    assert "no_answer" not in said
    assert "kept" not in drawn(show.explain, [one for one in judged if one.kept is None])


def test_a_prompt_with_its_kept_trace(corpus: Make) -> None:
    made = corpus()
    picture = prompt_of(made, "b2")
    origin = next(one for one in read_jsonl(made.out / "provenance.jsonl") if one["id"] == "b2")
    assert picture.startswith("qwq b2\nProblem b2?\nreference 25\n")
    table = [row.split() for row in picture.split("\n")[4:9]]
    assert table[1] == ["0", "✓", "correct", "25", str(origin["tokens"]), "kept"]
    assert table[2][:4] == ["1", "x", "wrong", "24"]
    assert table[4][:4] == ["3", "!", "unfinished", show.UNKNOWN]
    assert "── sample 0, correct, kept ──\n<think>\nthe one\n</think>\n\nIt is \\boxed{25}.\n" in picture
    assert "\\boxed{24}." not in picture


def test_another_sample_on_demand(corpus: Make) -> None:
    picture = prompt_of(corpus(), "b2", 1)
    assert "── sample 1, wrong ──\n<think>" in picture
    assert "\\boxed{24}." in picture


def test_a_prompt_without_a_row_says_why(corpus: Make) -> None:
    made = corpus()
    assert "reference 25 or 25.0\n" in prompt_of(made, "a1")
    assert "none is kept; --sample N shows one in full" in prompt_of(made, "a1")
    assert "(no text)" in prompt_of(made, "a1", 1)
    long = prompt_of(made, "b1", 0)
    assert long.count("more than 1,000\n") == 2
    assert "No row: every right sample makes a longer row than the limit allows." in long
    assert prompt_of(made, "none").endswith(
        "\n\nno samples\n\n  no_trace  No row: the teacher was not asked, or nothing of what it said was recorded.\n"
    )


def test_the_thought_is_dim_and_the_answer_is_not(corpus: Make) -> None:
    dim, end = "\x1b[2m", "\x1b[0m"
    picture = prompt_of(corpus(), "b2", color=True)
    assert f"{dim}the one{end}" in picture
    assert "It is \\boxed{25}." in picture
    assert f"{dim}It is" not in picture
    cut = prompt_of(
        corpus([line("a", completion(25), {"text": "<think>\nand so", "finish_reason": "length"})]), "a", 1, color=True
    )
    assert f"{dim}and so{end}" in cut


def test_what_models_write_steers_no_terminal(corpus: Make) -> None:
    made = corpus()
    picture = prompt_of(made, "a2")
    assert "\x1b" not in picture
    assert "\x07" not in picture
    assert "␛[31mred␛[0m and [bold red]loud[/bold red] ␇ thought" in picture
    odd = [line("[red]x", completion(25)), {"id": "\x1b[2J", "problem": "[b]\x9b?", "reference": "25", "samples": []}]
    odd[0]["samples"].append({"text": "", "unusable": "[blink]no"})
    other = corpus(odd)
    listed = drawn(show.prompts, other.judged(), other.problems(), "t") + drawn(show.explain, other.judged())
    for written in ("[red]x", "␛[2J", "[b]�?", "[blink]no"):
        assert written in listed
    assert "\x1b" not in listed


@pytest.mark.parametrize("width", [60, 100, 200])
def test_nothing_is_wider_than_the_terminal(corpus: Make, width: int) -> None:
    many = [completion(n % 3 + 24, reason="length" if n % 5 == 0 else "stop") for n in range(64)]
    long = line("i" * 50, *many, completion("\\frac{1}{2} " * 40))
    long["problem"] = "How many? " * 100
    made = corpus([long, line("short", completion(24))], max_tokens=5000)
    judged = made.judged()
    one = find(judged, "i" * 50)
    said = drawn(show.prompts, judged, made.problems(), "t", width=width) + drawn(show.explain, judged, width=width)
    summary = json.loads((made.out / "summary.json").read_text())
    summary["verdicts"] |= {"unfinished": 1000, "no_answer": 2000, "special_token": 3000, "nested_tags": 1}
    summary["traces"] = {
        "model": "m",
        "tokens_per_kept": {"until_correct": 12345.6, "all": 67890.1, "all_is_estimated": True},
    }
    said += drawn(show.overview, {"a-teacher-with-a-long-name": summary, "other": None}, width=width)
    table = (
        drawn(show.prompt, made, one, made.prompts(), None, width=width).partition("\n\n")[2].partition("── sample")[0]
    )
    assert max(cell_len(row) for row in (said + table).split("\n")) <= width


def test_all_corpora_of_a_run(corpus: Make) -> None:
    summary = json.loads((corpus().out / "summary.json").read_text())
    asked = summary | {
        "traces": {"model": "m", "tokens_per_kept": {"until_correct": 166.4, "all": 490, "all_is_estimated": True}}
    }
    counted = summary | {
        "traces": {"model": "m", "tokens_per_kept": {"until_correct": 166.4, "all": 490, "all_is_estimated": False}}
    }
    nothing = summary | {
        "traces": {"model": "m", "tokens_per_kept": {"until_correct": None, "all": None, "all_is_estimated": True}}
    }
    corpora = {"anna": asked, "bert": counted, "carl": nothing, "qwq": summary, "later": None}
    rows = [row.split() for row in drawn(show.overview, corpora, width=120).split("\n")]
    low, most = summary["tokens"]["median"], summary["tokens"]["max"]
    start = ["2", "of", "5", "9", "wrong", "2,", "refusal", "1,", "truncated", "1,", "unfinished", "1"]
    tokens = [str(low), "/", str(most)]
    assert rows[2] == ["anna", *start, *tokens, "166", "/", "~490"]
    assert rows[3] == ["bert", *start, *tokens, "166", "/", "490"]
    assert rows[4] == ["carl", *start, *tokens, show.UNKNOWN]
    assert rows[5] == ["qwq", *start, *tokens, show.UNKNOWN]
    assert rows[6] == ["later", "not", "there", "yet"]
    assert "first right" not in drawn(show.overview, {"qwq": summary}).replace("first right / all", "")


def test_a_beginning_of_an_id_is_enough() -> None:
    every = [Judged(name, (), None, None) for name in ("ab1", "ab2", "b", "bc")]
    assert find(every, "ab1").id == "ab1"
    assert find(every, "b").id == "b"
    assert find(every, "bc").id == "bc"
    with pytest.raises(FileError, match=r"2 ids begin with 'ab' \(ab1, ab2\): give more of one"):
        find(every, "ab")
    with pytest.raises(FileError, match=r"no prompt has the id 'ba1', did you mean 'ab1'\?"):
        find(every, "ba1")
    with pytest.raises(FileError, match=r"9 ids begin with 'x' \(x0, x1, x2, x3, x4, \.\.\.\)"):
        find([Judged(f"x{n}", (), None, None) for n in range(9)], "x")


@given(st.lists(st.text(alphabet="abc", min_size=1, max_size=4), unique=True, min_size=1), st.data())
def test_a_beginning_finds_the_one_that_has_it(names: list[str], data: st.DataObject) -> None:
    every = [Judged(name, (), None, None) for name in names]
    name = data.draw(st.sampled_from(names))
    beginning = name[: data.draw(st.integers(1, len(name)))]
    alike = [other for other in names if other.startswith(beginning)]
    if beginning in names or len(alike) == 1:
        assert find(every, beginning).id == (beginning if beginning in names else alike[0])
    else:
        with pytest.raises(FileError, match="ids begin with"):
            find(every, beginning)


def test_prompts_by_what_was_rejected(corpus: Make) -> None:
    judged = corpus().judged()
    assert [one.id for one in rejected(judged, "wrong")] == ["a1", "b2"]
    assert [one.id for one in rejected(judged, "too_long")] == ["b1"]
    examples = {(one.id, word): one.example(word) for one in judged for word in ("wrong", "truncated", "too_long")}
    assert examples["b2", "wrong"] == 1
    assert examples["b2", "truncated"] == 2
    assert examples["b1", "too_long"] == 0
    assert examples["none", "wrong"] is None
    with pytest.raises(FileError, match=r"nothing was rejected as 'rong', did you mean 'wrong'\?"):
        rejected(judged, "rong")
    with pytest.raises(
        FileError, match=r"'correct'; there are no_correct_sample, no_trace, refusal, too_long, truncated, unfin"
    ):
        rejected(judged, "correct")
    with pytest.raises(FileError, match=r"nothing was rejected as 'wrong'$"):
        rejected([judged[1]], "wrong")


def test_problems_of_the_source_are_found_without_the_traces(corpus: Make, tmp_path: Path) -> None:
    fields = {"references": ["25"], "unverifiable": None, "meta": {}}
    rows = [{"id": f"s-{name}", "problem": f"problem  {name}?", **fields} for name in ("b2", "a1", "new")]
    made = corpus(problems=str(write_jsonl(tmp_path / "problems.jsonl", rows)))
    Path(made.config.traces).unlink()
    assert made.problems() == {"s-b2": "problem  b2?", "s-a1": "problem  a1?", "s-new": "problem  new?"}
    assert [(one.id, one.dropped) for one in made.judged()] == [
        ("s-a1", "no_correct_sample"),
        ("s-b2", None),
        ("s-new", "no_trace"),
    ]


def test_traces_that_changed_are_not_shown_as_judged(corpus: Make) -> None:
    made = corpus()
    write_jsonl(Path(made.config.traces), [line("b2", completion(25))])
    with pytest.raises(
        FileError, match="b2 has 4 verdicts, and 1 samples in the traces of qwq: they have changed since"
    ):
        prompt_of(made, "b2")
    with pytest.raises(FileError, match="a1 has 2 verdicts, and no samples in the traces of qwq"):
        prompt_of(made, "a1")


def test_without_the_student_nothing_is_counted(corpus: Make, tmp_path: Path) -> None:
    made = corpus()
    gone = Corpus(made.run, made.step, made.config.model_copy(update={"tokenizer": str(tmp_path / "gone")}))
    assert ["0", "✓", "correct", "25", show.UNKNOWN, "kept"] in [
        row.split() for row in prompt_of(gone, "b2").split("\n")
    ]


def test_folders_that_are_no_corpora(corpus: Make, tmp_path: Path) -> None:
    made = corpus()
    with pytest.raises(MissingInput, match=r"verdicts\.jsonl: no such file; build the corpus again"):
        Corpus(tmp_path, "corpus/none", made.config).judged()
    (made.out / "verdicts.jsonl").write_text('{"id": "a"}\n')
    with pytest.raises(FileError, match="was not written by this program: KeyError"):
        made.judged()
