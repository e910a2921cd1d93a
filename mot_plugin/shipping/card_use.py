"""The sections of a model card about using a student: loading it, its limits, making it again, publishing it."""

from mot_plugin import shipped
from mot_plugin.merging.folder import read_json
from mot_plugin.shipping.student import Student

_TOKENS = 32768
_REASONING_PARSERS = {"qwen3": "qwen3", "deepseekr1": "deepseek_r1"}
"""LLaMA-Factory's template -> vLLM's parser of the same thoughts."""


def loading(student: Student) -> list[str]:
    """With transformers, with vLLM, and how it was asked in training."""
    limit = longest(student)
    question = student.recipe.prompt.replace("{problem}", "What is 17 + 25?")
    parser = _REASONING_PARSERS.get(str(student.recipe.sft.get("template")))
    flag = f" --reasoning-parser {parser}" if parser else ""
    return [
        "With transformers; `generation_config.json` says how to sample and where to stop:",
        "",
        "```python",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        'where = "."  # this folder, or its name on the hub',
        "tokenizer = AutoTokenizer.from_pretrained(where)",
        'model = AutoModelForCausalLM.from_pretrained(where, dtype="auto")',
        f"question = {question!r}",
        'messages = [{"role": "user", "content": question}]',
        "prompt = tokenizer.apply_chat_template(",
        '    messages, add_generation_prompt=True, enable_thinking=True, return_dict=True, return_tensors="pt"',
        ")",
        f"answer = model.generate(**prompt, max_new_tokens={max(1, limit // 2)})",
        'print(tokenizer.decode(answer[0, prompt["input_ids"].shape[1] :]))',
        "```",
        "",
        "With vLLM, which takes its sampling defaults from `generation_config.json` too:",
        "",
        "```sh",
        f"vllm serve . --max-model-len {limit}{flag}",
        "```",
        "",
        "The question is put as in training: other words in the user turn are other than what it learnt from.",
    ]


def longest(student: Student) -> int:
    """Tokens of prompt and answer that the model and its training know."""
    positions = read_json(student.folder / "config.json").get("max_position_embeddings")
    return min(int(positions or _TOKENS), max(_TOKENS, int(student.recipe.sft.get("cutoff_len", 0))))


def limits(student: Student) -> list[str]:
    """What it was not made or tested for."""
    tasks = len({score.task for score in student.scores})
    lines = [
        f"* It was measured on {tasks} benchmark{'s' if tasks != 1 else ''}, and on nothing else: not on safety, facts, other "
        "languages than the problems', or long conversations. Whatever the base student does there, this one may do worse.",
        "* A score holds for the engine, the settings and the number of answers that it was measured with; a difference "
        "whose 95 % interval holds 0 is none.",
        "* It writes its thought before its answer, and was trained on rows of at most "
        f"{student.recipe.sft.get('cutoff_len')} tokens: answers that need more may not end.",
    ]
    if any(row.summary["kept"] == 0 for row in student.corpora.values()):
        lines.append("* A teacher gave no row.")
    return lines


def again(student: Student) -> list[str]:
    """Reproducing and publishing."""
    named = shipped.path("recipes", f"{student.recipe.name}.yaml").is_file()
    return [
        "```sh",
        "mot-plugin reproduce provenance.json --to again          # what is the same here, and what is not",
        "mot-plugin reproduce provenance.json --to again --run    # make it, and compare every file",
        "```",
        "",
        f"The recipe is in `provenance.json`{f'; mot-plugin ships one of this name, {student.recipe.name}' if named else ''}. "
        "mot-plugin uploads nothing. To publish this folder: `hf auth login`, then "
        f"`hf upload YOUR-NAME/{student.name} . .` in it.",
    ]
