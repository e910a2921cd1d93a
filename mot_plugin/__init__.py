"""Merge-of-Thought distillation as a thin orchestrator over LLaMA-Factory, mergekit and lm-eval."""

__version__ = "0.1.0"
