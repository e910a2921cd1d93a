"""What a client of ours relies on, seen at a real llama.cpp that serves the quickstart's student."""

import json
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from child_server import Answer
from llama_server import TEMPLATE, LlamaServer
from student_gguf import THINKING, write_gguf

QUICKSTART = Path(__file__).parents[2] / "recipes" / "quickstart"
PROBLEMS = [json.loads(line) for line in (QUICKSTART / "problems.jsonl").read_text().split("\n")[:-1]]
PROMPTS = [
    row["problem"] + "\nPlease reason step by step, and put your final answer within \\boxed{}." for row in PROBLEMS
]
SAMPLING = {"temperature": 0.6, "top_p": 0.95, "max_tokens": 200}
JOBS = [(prompt, seed) for prompt in PROMPTS[:8] for seed in range(4)]

pytestmark = pytest.mark.contract


@pytest.fixture(scope="module")
def narrow(student_gguf: Path) -> Iterator[LlamaServer]:
    """Two slots with the least context there is, and a template that shows llama.cpp that the model thinks."""
    pytest.importorskip("xllamacpp")
    log = student_gguf.with_name("narrow.log")
    with LlamaServer(student_gguf, slots=2, context=256, log=log, chat_template=TEMPLATE) as server:
        yield server


def ask(server: LlamaServer, seed: int = 1, prompt: str = PROMPTS[0], **fields: Any) -> Answer:
    return server.chat(prompt, seed=seed, **SAMPLING | fields)


def texts(server: LlamaServer, at_once: int) -> list[str]:
    """The text for each of JOBS, so many of them asked for at a time."""
    with ThreadPoolExecutor(at_once) as pool:
        answers = list(pool.map(lambda job: ask(server, job[1], job[0]), JOBS))
    return [answer.messages[0]["content"] for answer in answers]


def test_the_same_student_twice_is_the_same_file(student_gguf: Path, tmp_path: Path) -> None:
    again = write_gguf(QUICKSTART / "student", tmp_path / "again.gguf")
    assert again.read_bytes() == student_gguf.read_bytes()


def test_a_student_that_llama_would_read_differently_is_refused(student_gguf: Path, tmp_path: Path) -> None:
    student = shutil.copytree(QUICKSTART / "student", tmp_path / "student")
    tokenizer = student / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace(r"|\\p{N}| ?", r"|\\p{N}{1,3}| ?"))
    with pytest.raises(ValueError, match="splits words"):
        write_gguf(student, tmp_path / "other.gguf")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch's threads wait for each other where others use the cores, too: 37 s instead of 7 s."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_greedy_text_is_that_of_transformers(llama_teacher: LlamaServer) -> None:
    """In float32, as the file is: transformers in bfloat16 says something else for every other prompt."""
    import torch

    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(QUICKSTART / "student")
    model = transformers.AutoModelForCausalLM.from_pretrained(QUICKSTART / "student", dtype=torch.float32)
    for prompt in PROMPTS[:20]:
        turn = [{"role": "user", "content": prompt}]
        asked = tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        told = model.generate(**asked, do_sample=False, max_new_tokens=200)[0, asked["input_ids"].shape[1] :]
        answer = ask(llama_teacher, prompt=prompt, temperature=0)
        assert answer.messages[0]["content"] + "<|im_end|>" == tokenizer.decode(told)
        usage = answer.body["usage"]
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (asked["input_ids"].shape[1], len(told))


def test_the_same_seed_says_the_same_however_busy_the_server_is(
    llama_teacher: LlamaServer, student_gguf: Path, tmp_path: Path
) -> None:
    pytest.importorskip("xllamacpp")
    alone = texts(llama_teacher, 1)
    assert texts(llama_teacher, 4) == texts(llama_teacher, 8) == alone
    with LlamaServer(student_gguf, slots=1, log=tmp_path / "log", default_template_kwargs=THINKING) as single:
        assert texts(single, 1) == texts(single, 2) == alone
    assert len(set(alone)) > len(JOBS) / 2


def test_it_is_a_teacher_who_is_right_now_and_then(llama_teacher: LlamaServer) -> None:
    right = {row["problem"]: row["answer"] for row in PROBLEMS}
    said = zip((prompt.partition("\n")[0] for prompt, _ in JOBS), texts(llama_teacher, 4), strict=True)
    boxed = [(right[problem], re.findall(r"</think>.*boxed\{(\d+)\}", text, re.DOTALL)) for problem, text in said]
    assert 0 < sum(found == [answer] for answer, found in boxed) < len(JOBS) / 2


def test_choices_are_the_next_seeds_and_usage_counts_the_first(llama_teacher: LlamaServer) -> None:
    three = ask(llama_teacher, seed=1, n=3)
    singles = [ask(llama_teacher, seed=seed) for seed in (1, 2, 3)]
    assert three.messages == [single.messages[0] for single in singles]
    spent = [single.body["usage"]["completion_tokens"] for single in singles]
    assert three.body["usage"]["completion_tokens"] == spent[0] < sum(spent)


def test_more_choices_than_slots_are_refused(narrow: LlamaServer) -> None:
    assert ask(narrow, n=2).status == 200
    refused = ask(narrow, n=3)
    assert (refused.status, refused.body["error"]["type"]) == (400, "invalid_request_error")


def test_where_the_thought_stands(narrow: LlamaServer, llama_teacher: LlamaServer) -> None:
    plain = ask(narrow, reasoning_format="none").messages[0]
    assert set(plain) == {"role", "content"}
    thought, answer = plain["content"].removeprefix("<think>\n").split("</think>\n\n")
    asked: list[dict[str, Any]] = [{}, {"reasoning_format": "auto"}, {"reasoning_format": "deepseek"}]
    for fields in asked:
        assert ask(narrow, **fields).messages == [
            {"role": "assistant", "content": answer, "reasoning_content": thought}
        ]
        # A template without `reasoning_content` is not seen to think, whatever is asked for.
        assert ask(llama_teacher, **fields).messages == [plain]


def test_a_thought_that_is_cut_off_has_an_empty_answer(narrow: LlamaServer) -> None:
    cut = ask(narrow, max_tokens=5)
    assert (cut.finish, cut.messages[0]["content"]) == ("length", "")
    assert cut.messages[0]["reasoning_content"]
    assert cut.body["usage"]["completion_tokens"] == 5


def test_without_a_word_the_student_is_not_let_think(student_gguf: Path, tmp_path: Path) -> None:
    """Its template writes an empty thought where `enable_thinking` is false, which llama.cpp then sends by itself."""
    pytest.importorskip("xllamacpp")
    with LlamaServer(student_gguf, log=tmp_path / "log") as server:
        silenced = ask(server)
        let = ask(server, chat_template_kwargs={"enable_thinking": True})
    assert silenced.body["usage"]["prompt_tokens"] == let.body["usage"]["prompt_tokens"] + 6
    assert not silenced.messages[0]["content"].startswith("<think>")
    assert let.messages[0]["content"].startswith("<think>")


def test_fields_of_other_servers_and_wrong_values(narrow: LlamaServer) -> None:
    assert ask(narrow, top_k=1).messages == ask(narrow, seed=2, top_k=1).messages  # heeded: nothing is left to chance
    assert ask(narrow, no_such_field=1, min_tokens=3).messages == ask(narrow).messages
    assert ask(narrow, top_k="many").status == 400
    assert ask(narrow, model="another").body["model"] == "student"
    assert ask(narrow, seed=2**32 + 1).messages == ask(narrow).messages


def test_prompts_and_limits_that_do_not_fit(narrow: LlamaServer) -> None:
    refused = ask(narrow, prompt="What is 1+1? " * 100)
    assert refused.status == 400
    assert refused.body["error"]["type"] == "exceed_context_size_error"
    assert refused.body["error"]["n_ctx"] == 256 < refused.body["error"]["n_prompt_tokens"]
    # A limit beyond the context is not refused: the answer ends where the context does, and says so.
    cut = ask(narrow, max_tokens=5000, ignore_eos=True)
    assert (cut.status, cut.finish, cut.body["usage"]["total_tokens"]) == (200, "length", 256)


def test_models_say_the_context_of_a_slot(narrow: LlamaServer) -> None:
    (model,) = narrow.get("/models").body["data"]
    assert model["id"] == "student"
    assert (model["meta"]["n_ctx"], model["meta"]["n_ctx_train"]) == (256, 1024)


def test_a_key_is_asked_for(student_gguf: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    with LlamaServer(student_gguf, log=tmp_path / "log", api_keys=["open-sesame"]) as server:
        assert [ask(server, key=key).status for key in (None, "wrong", "open-sesame")] == [401, 401, 200]


def test_a_model_that_cannot_be_read_is_told(student_gguf: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    (tmp_path / "half.gguf").write_bytes(student_gguf.read_bytes()[:1_000_000])
    with pytest.raises(RuntimeError, match="Failed to init server"):
        LlamaServer(tmp_path / "half.gguf", log=tmp_path / "log")
