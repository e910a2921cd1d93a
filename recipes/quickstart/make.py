"""Makes everything in this folder: the tiny student, the test problems and the teachers' recorded answers.

    python recipes/quickstart/make.py [FOLDER]

The student is a Qwen3 of a megabyte, taught from scratch on stories like the test's, and stopped early on purpose. It
takes two to six minutes on two cores; the same machine writes the same bytes again.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from pathlib import Path
from random import Random

import torch
from problems import SAMPLES, TEACHERS, Problem, distinct, draw, schooling, trace
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

END, OPEN, CLOSE = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
PLAIN = ("<think>", "</think>")  # whole tokens, but not special: decoding must keep them, as with Qwen3
# Qwen's idea of a word: contractions, letters, one digit, punctuation, line ends, spaces.
WORD = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT = """\
{%- for m in messages %}
{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and not enable_thinking %}
{{- '<think>\\n\\n</think>\\n\\n' }}
{%- endif %}
{%- endif %}"""

SEED = 7
TESTS, EASIER, PROMPTS = 100, 40, 150
STEPS, BATCH, PEAK, WARMUP = 1100, 32, 3e-3, 50


def teach_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE with Qwen's words; a few hundred tokens."""
    core = Tokenizer(models.BPE())
    core.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(WORD), behavior="isolated")
    core.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    core.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=490, min_frequency=20, initial_alphabet=alphabet, show_progress=False)
    core.train_from_iterator(texts, trainer)
    core.add_special_tokens([AddedToken(token, special=True) for token in (END, OPEN, CLOSE)])
    core.add_tokens([AddedToken(token, special=False, normalized=False) for token in PLAIN])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token=CLOSE,
        pad_token=END,
        additional_special_tokens=[OPEN, CLOSE],
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT
    return tokenizer


def new_student(tokenizer: PreTrainedTokenizerFast) -> Qwen3ForCausalLM:
    """An untaught model with more rows than tokens, as the real ones have."""
    end, close = tokenizer.convert_tokens_to_ids([END, CLOSE])
    config = Qwen3Config(
        vocab_size=64 * (len(tokenizer) // 64 + 1),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        eos_token_id=close,
        pad_token_id=end,
        attn_implementation="sdpa",
    )
    model = Qwen3ForCausalLM(config)
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=0.6, top_p=0.95, top_k=20, eos_token_id=[close, end], pad_token_id=end
    )
    return model


def lesson(rng: Random, tests: set[str]) -> tuple[Problem, str]:
    """One question of the schooling, never one of the tests, and one answer to it."""
    while True:
        problem = draw(rng, steps=1 if rng.random() < 0.3 else 2)
        if problem.text not in tests:
            return problem, schooling(rng, problem)


Tensors = tuple[torch.Tensor, torch.Tensor]


def batch(rng: Random, tokenizer: PreTrainedTokenizerFast, tests: set[str], size: int) -> Tensors:
    """Padded rows of tokens, and what to predict in them: the answers only."""
    rows = []
    for _ in range(size):
        problem, answer = lesson(rng, tests)
        asked = tokenizer.encode(f"{OPEN}user\n{problem.user}{CLOSE}\n{OPEN}assistant\n")
        rows.append((asked, tokenizer.encode(f"{answer}{CLOSE}\n")))
    width = max(len(asked) + len(answer) for asked, answer in rows)
    ids = torch.full((size, width), tokenizer.pad_token_id)
    labels = torch.full((size, width), -100)
    for row, (asked, answer) in enumerate(rows):
        end = len(asked) + len(answer)
        ids[row, :end] = torch.tensor(asked + answer)
        labels[row, len(asked) : end] = torch.tensor(answer)
    return ids, labels


def share_of_peak(step: int) -> float:
    """A short warm-up on top of a cosine that ends at a twentieth."""
    return min(1.0, (step + 1) / WARMUP) * (0.05 + 0.475 * (1 + math.cos(math.pi * step / STEPS)))


def teach(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, tests: set[str]) -> None:
    """The schooling: fresh questions at every step, so nothing is learned by heart. Weights are float32, products bfloat16
    (twice as fast where the CPU knows them)."""
    rng, started = Random(SEED + 1), time.monotonic()
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK, betas=(0.9, 0.98), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share_of_peak)
    for step in range(STEPS):
        ids, labels = batch(rng, tokenizer, tests, BATCH)
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(input_ids=ids, labels=labels, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 100 == 99:
            print(f"step {step + 1}: loss {loss.item():.3f}, {time.monotonic() - started:.0f} s", flush=True)


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    """One JSON object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def write_traces(path: Path, teacher: str, problems: list[Problem]) -> None:
    """A teacher's answers to every training problem."""
    rng = Random(f"{SEED} {teacher}")
    rows: list[dict[str, object]] = []
    for number, problem in enumerate(problems, 1):
        answers = [trace(rng, teacher, problem) for _ in range(SAMPLES)]
        samples = [{"text": answer.text, "finish_reason": answer.finish} for answer in answers]
        head = {"id": f"train-{number:03d}", "problem": problem.text, "reference": str(problem.answer)}
        rows.append(head | {"samples": samples})
    write_rows(path, rows)


def main(folder: Path) -> None:
    """Everything, into this folder; what was there of it is replaced."""
    torch.manual_seed(SEED)
    torch.set_num_threads(2)
    torch.set_flush_denormal(True)
    taken: set[str] = set()
    tests, prompts = distinct(Random(SEED), TESTS, taken), distinct(Random(SEED + 2), PROMPTS, taken)
    # Of these the student's schooling has met a few: the stream of its lessons, and so the student, is older than they are.
    easier = distinct(Random(SEED + 4), EASIER, taken, steps=1)
    for name, asked in (("problems", tests), ("one_step", easier)):
        rows = [{"id": f"test-{n:03d}", "problem": p.text, "answer": str(p.answer)} for n, p in enumerate(asked, 1)]
        write_rows(folder / f"{name}.jsonl", list(rows))
    for teacher in TEACHERS:
        write_traces(folder / "traces" / f"{teacher}.jsonl", teacher, prompts)

    rng, unseen = Random(SEED + 3), {problem.text for problem in tests}
    lessons = [lesson(rng, unseen) for _ in range(2000)]
    voices = [trace(rng, teacher, problem).text for problem, _ in lessons[:200] for teacher in TEACHERS]
    tokenizer = teach_tokenizer([p.user for p, _ in lessons] + [text for _, text in lessons] + voices)
    model = new_student(tokenizer)
    teach(model, tokenizer, unseen)

    student = folder / "student"
    shutil.rmtree(student, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(student)
    tokenizer.save_pretrained(student)
    for path in student.iterdir():
        path.chmod(0o644)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
