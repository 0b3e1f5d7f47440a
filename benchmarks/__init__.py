"""What is measured, and how. `python -m benchmarks.stages`, `python -m benchmarks.heldout`; figures go to results/."""
