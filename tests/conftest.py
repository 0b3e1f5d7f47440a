"""What the tests of the page share: a served app, a worker with a tiny model of random weights, a photo."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# Many tests use tiny networks, and several processes at once: threads that wait for each other would cost minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "assets" / "examples"


@dataclass(frozen=True)
class Served:
    """root: of the libraries; local, public: addresses of the page for one visitor and for many, with the tiny
    model; mini: for many, with the model that the project ships.
    """

    root: Path
    local: str
    public: str
    mini: str


@pytest.fixture(scope="session")
def example_photo() -> Path:
    return sorted(EXAMPLES.glob("*.jpg"))[0]


@pytest.fixture(scope="session")
def driving_video(example_photo, tmp_path_factory) -> Path:
    """A second of the person of an example photo, who is carried to and fro, with a tone. 24 frames a second."""
    from tests.moving import write_moving

    return write_moving(example_photo, tmp_path_factory.mktemp("video") / "to_and_fro.mp4", frames=24, fps=24)


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """The page on three ports over one library root, and one worker that knows the tiny profile."""
    import app
    from dreampose_core.page.house import House
    from tests.dreampose_core.tiny_profile import FOLDER, add_tiny_profile, save_tiny_model

    folder = tmp_path_factory.mktemp("served")
    save_tiny_model(folder / "model")
    add_tiny_profile(folder / "model")
    root = folder / "library"
    worker = subprocess.Popen(
        [sys.executable, "-m", "dreampose_core.jobs.worker", "--library", str(root)]
        + ["--kinds", "tests.dreampose_core.tiny_profile"],
        cwd=ROOT,
        env=os.environ | {FOLDER: str(folder / "model"), "OMP_NUM_THREADS": "1"},
    )
    houses = [House(root, profile="tiny"), House(root, True, "tiny"), House(root, True, "mini")]
    pages = [app.launch(house, prevent_thread_lock=True, quiet=True) for house in houses]
    yield Served(root, *(page.local_url for page in pages))
    for page in pages:
        page.close()
    worker.terminate()
    worker.wait()
