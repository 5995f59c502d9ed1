"""The parts of scripts/gpu_evidence: what is checked, measured and trained on a GPU, and how it is kept."""
