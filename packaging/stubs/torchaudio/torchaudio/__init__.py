"""Empty stand-in for torchaudio on machines without CUDA: importable, and nothing more."""

__version__ = "2.11.0+stub"
