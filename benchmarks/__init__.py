"""What is measured, and how. `python -m benchmarks.stages`, `.quality`, `.pose`, `.gpu`; figures go to results/."""
