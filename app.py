"""DreamPose Studio's page.

    python app.py [--share] [--host HOST] [--port PORT] [--profile NAME] [--library DIR]

The page holds no work and no results: it puts jobs in line and reads from disk what became of them, so that a
reload, a closed tab or a restart loses nothing. What it is made of is in dreampose_core/page, what it looks like in
assets/page.
"""

from __future__ import annotations

import argparse
import atexit
import os
import shutil
import tempfile
from pathlib import Path

if os.environ.get("SPACES_ZERO_GPU"):
    import spaces  # noqa: F401 (before anything that imports torch)
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
if "GRADIO_TEMP_DIR" not in os.environ:  # the default keeps people's photos, for all to read
    os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="dreampose-")
    atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)

from dreampose_core.page.blocks.launch import launch  # noqa: E402
from dreampose_core.page.house import ZERO_GPU, House, best_device  # noqa: E402
from dreampose_core.profiles import DEFAULT_PROFILE, PROFILES, find_profile  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(prog="python app.py", description="DreamPose Studio, the page.")
    option = parser.add_argument
    option("--share", action="store_true", help="open the page to the internet by Gradio's tunnel")
    option("--host", help="address to listen on; by default only this machine is heard")
    option("--port", type=int, help="port to listen on; by default the first free one from 7860")
    option("--profile", default=DEFAULT_PROFILE, choices=sorted(PROFILES), help="the model to use")
    option("--library", type=Path, default=Path("library"), help="where everything is kept")
    options = parser.parse_args()
    profile = find_profile(options.profile)
    if not profile.here:
        parser.error(profile.what_to_do)
    near = options.host in (None, "localhost", "127.0.0.1", "::1")
    public = options.share or "SPACE_ID" in os.environ or not near
    root = options.library.expanduser().resolve()
    house = House(root, public, options.profile, best_device(), worker=not ZERO_GPU)
    launch(house, server_name=options.host, server_port=options.port, share=options.share)


if __name__ == "__main__":
    main()
