"""The whole page of a house, and its server."""

from __future__ import annotations

import base64
import importlib.util
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder

from dreampose_core.page.blocks.controls import address
from dreampose_core.page.blocks.endpoints import add_endpoints
from dreampose_core.page.blocks.events import wire
from dreampose_core.page.blocks.layout import lay_out
from dreampose_core.page.desks.desk import LIFETIME, Desk
from dreampose_core.page.house import House
from dreampose_core.page.window import Window
from dreampose_core.photo import MAX_BYTES
from dreampose_core.profiles import ASSETS
from pose_tools.extract import MAX_VIDEO_BYTES

PAGE = ("page", "compare")  # the files of its style and its script


def launch(house: House, **options: object) -> gr.Blocks:
    """Build the page and serve it. options: as for gradio.Blocks.launch."""
    folder = ASSETS / "page"
    style, script = ("".join((folder / f"{name}.{kind}").read_text() for name in PAGE) for kind in ("css", "js"))
    for font in ("Regular", "Italic"):
        data = base64.b64encode((folder / "fonts" / f"EBGaramond-{font}.woff2").read_bytes()).decode()
        style = style.replace(f"fonts/EBGaramond-{font}.woff2", f"data:font/woff2;base64,{data}")
    sans = ("-apple-system", "BlinkMacSystemFont", "Segoe UI", "Helvetica Neue", "Arial", "sans-serif")
    gr.set_static_paths([ASSETS / "motions", ASSETS / "examples", ASSETS / "page"])
    page = build(house)
    page.queue(default_concurrency_limit=8)
    page.launch(
        theme=gr.themes.Base(font=sans, font_mono=("ui-monospace", "Consolas", "monospace")),
        css=style,
        head=f"<script>{script}</script>",
        favicon_path=folder / "favicon.svg",
        max_file_size=max(MAX_BYTES, MAX_VIDEO_BYTES),
        run_history=False,
        footer_links=["api"],
        ssr_mode=False,
        mcp_server=importlib.util.find_spec("mcp") is not None,
        **options,
    )
    return page


def build(house: House) -> gr.Blocks:
    """The page of a house. No event takes more than a moment, but for the one that borrows a GPU."""
    examples = sorted((ASSETS / "examples").glob("*.jpg"))
    desk = Desk(house, tuple(examples), Window(Path(get_upload_folder()), address))
    with gr.Blocks(title="DreamPose Studio", analytics_enabled=False, delete_cache=(3600, LIFETIME)) as page:
        parts = lay_out(house, examples)
        wire(page, desk, parts)
        add_endpoints(desk, parts)
    return page
