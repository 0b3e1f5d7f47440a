"""What is measured, and how. `python -m benchmarks.stages`, `.heldout`, `.quality`; figures go to results/."""
