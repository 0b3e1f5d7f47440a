"""Writes figures as JSON beside what they depend on: the date, the machine, the versions."""

import json
import os
import platform
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import torch

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "diffusers", "transformers", "numpy", "mediapipe")


def machine() -> dict:
    """What a reader needs to judge the timings; no names of machines."""
    return {
        "cores": os.cpu_count(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def write(name: str, figures: dict, path: Path | None = None) -> Path:
    """Write results/NAME.json, or the file at `path`, and return its path."""
    path = path or RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"date": datetime.now(timezone.utc).date().isoformat(), "machine": machine()}
    path.write_text(json.dumps(about | figures, indent=1) + "\n")
    return path
