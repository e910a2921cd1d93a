"""Callbacks for LLaMA-Factory, and `llamafactory-cli train` with them. Only this room imports torch and transformers:
it runs in the trainer's environment, and nothing that plans may import it.
"""

from mot_plugin.training.checkpoints import FullCheckpoints
from mot_plugin.training.finite import StopOnNonFinite
from mot_plugin.training.probe import ProbeLoss
from mot_plugin.training.progress import Progress

__all__ = ["FullCheckpoints", "ProbeLoss", "Progress", "StopOnNonFinite"]
