"""Rows in the layouts of published data sets of traces, all columns and nothing of their content."""

from typing import Any

Row = dict[str, Any]

LAYOUT_SYSTEM = (
    "Think before you answer. Write the thought between <|begin_of_thought|> and <|end_of_thought|>, what you found between "
    "<|begin_of_solution|> and <|end_of_solution|>."
)


def s1k(problem: str, reasoning: str, answer: str, reference: str | None) -> Row:
    """simplescaling/s1K-1.1, with DeepSeek's trace as given and one of Gemini's."""
    return {
        "solution": reference,
        "question": problem,
        "cot_type": "math",
        "source_type": "invented/sums",
        "metadata": "{'level': 'Level 1'}",
        "gemini_thinking_trajectory": f"Gemini: {reasoning}",
        "gemini_attempt": f"Gemini: {answer}",
        "deepseek_thinking_trajectory": reasoning,
        "deepseek_attempt": answer,
        "gemini_grade": "No",
        "gemini_grade_reason": "It differs.",
        "deepseek_grade": "Yes",
        "deepseek_grade_reason": "It is the same.",
    }


def mixture_of_thoughts(problem: str, reasoning: str, answer: str, reference: str) -> Row:
    """open-r1/Mixture-of-Thoughts: no reference."""
    turns = [
        {"content": problem, "role": "user"},
        {"content": f"<think>\n{reasoning}\n</think>\n\n{answer}", "role": "assistant"},
    ]
    return {"messages": turns, "num_tokens": 7, "source": "invented"}


def sharegpt(problem: str, reasoning: str, answer: str, reference: str) -> Row:
    """LLaMA-Factory's sharegpt."""
    turns = [
        {"from": "human", "value": problem},
        {"from": "gpt", "value": f"<think>\n{reasoning}\n</think>\n\n{answer}"},
    ]
    return {"conversations": turns, "system": "You are a helpful assistant.", "tools": ""}


def split_messages(problem: str, reasoning: str, answer: str, reference: str) -> Row:
    """Messages as a client stored them, with the thought in its field."""
    turns = [
        {"role": "system", "content": "Please reason step by step, and put your final answer within \\boxed{}."},
        {"role": "user", "content": [{"type": "text", "text": problem}]},
        {"role": "assistant", "content": answer, "reasoning_content": reasoning},
    ]
    return {"messages": turns, "finish_reason": "stop", "gold": reference}


def alpaca(problem: str, reasoning: str, answer: str, reference: str) -> Row:
    """LLaMA-Factory's alpaca; the problem's last word is the input."""
    instruction, _, last = problem.rpartition("\n")
    return {
        "instruction": instruction or last,
        "input": last if instruction else "",
        "output": f"<think>\n{reasoning}\n</think>\n\n{answer}",
        "system": None,
        "history": [],
    }


def openthoughts(problem: str, reasoning: str, answer: str, reference: str) -> Row:
    """open-thoughts/OpenThoughts-114k."""
    said = (
        f"<|begin_of_thought|>\n\n{reasoning}\n\n<|end_of_thought|>\n\n"
        f"<|begin_of_solution|>\n\n{answer}\n\n<|end_of_solution|>"
    )
    turns = [
        {"from": "user", "value": f"Return your final response within \\boxed{{}}. {problem}"},
        {"from": "assistant", "value": said},
    ]
    return {"system": LAYOUT_SYSTEM, "conversations": turns}


def openthoughts3(problem: str, reasoning: str, answer: str, reference: str) -> Row:
    """open-thoughts/OpenThoughts3-1.2M."""
    turns = [
        {"from": "human", "value": problem},
        {"from": "gpt", "value": f"<think>\n{reasoning}\n</think>\n\n{answer}"},
    ]
    return {"difficulty": 3, "source": "invented", "domain": "math", "conversations": turns}


def openthoughts_metadata(problem: str, reasoning: str, answer: str, reference: str) -> Row:
    """The metadata files of OpenThoughts-114k."""
    return {
        "problem": problem,
        "deepseek_reasoning": reasoning,
        "deepseek_solution": answer,
        "ground_truth_solution": reference,
        "domain": "math",
        "source": "invented",
        "test_cases": None,
        "starter_code": None,
    }


def openmathreasoning(problem: str, reasoning: str, answer: str, reference: str) -> Row:
    """nvidia/OpenMathReasoning, split cot."""
    return {
        "expected_answer": reference,
        "problem_type": "has_answer_extracted",
        "problem_source": "invented",
        "generation_model": "DeepSeek-R1",
        "pass_rate_72b_tir": "0.5",
        "problem": problem,
        "generated_solution": f"<think>\n{reasoning}\n</think>{answer}",
        "inference_mode": "cot",
        "used_in_kaggle": False,
    }


def openr1(problem: str, reasoning: str, answer: str, reference: str) -> Row:
    """open-r1/OpenR1-Math-220k: the second generation was cut."""
    whole = f"<think>\n{reasoning}\n</think>\n\n{answer}"
    return {
        "problem": problem,
        "solution": f"A worked solution. {reference}",
        "answer": reference,
        "problem_type": "Algebra",
        "question_type": "math-word-problem",
        "source": "invented",
        "uuid": "5f1e0d4c",
        "is_reasoning_complete": [True, False],
        "generations": [whole, "<think>\nWait"],
        "correctness_math_verify": [False, False],
        "correctness_llama": None,
        "finish_reasons": ["stop", "length"],
        "correctness_count": 0,
        "messages": [{"content": problem, "role": "user"}, {"content": whole, "role": "assistant"}],
    }


def am_deepseek(problem: str, reasoning: str, answer: str, reference: str) -> Row:
    """a-m-team/AM-DeepSeek-R1-Distilled-1.4M."""
    info = {"source": "invented", "reference_answer": reference, "test_case": None}
    return {
        "messages": [
            {"role": "user", "content": problem, "info": {**info, "think_content": None, "answer_content": None}},
            {
                "role": "assistant",
                "content": f"<think>\n{reasoning}\n</think>\n<answer>\n{answer}\n</answer>",
                "info": {**info, "think_content": reasoning, "answer_content": answer},
            },
        ]
    }


def own_columns(problem: str, reasoning: str, answer: str, reference: str) -> Row:
    """Somebody's own table."""
    return {"q": problem, "thought": reasoning, "reply": answer, "meta": {"gold": [reference]}, "end": "eos", "n": 17}
