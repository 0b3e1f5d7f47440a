"""The film: how it is coming along, and what was made, alone or beside another one."""

from __future__ import annotations

import gradio as gr

from dreampose_core.page.blocks.controls import view
from dreampose_core.page.desks.desk import SHARE, TRY_AGAIN

TAKES = {"take_video": "Video", "take_beside": "With photo and pose", "take_gif": "GIF", "take_frames": "Frames"}


def place_progress() -> dict[str, gr.blocks.Block]:
    """A job at work, or how it ended."""
    part = {}
    with gr.Column(elem_id="stage", visible=False) as part["stage"]:
        part["progress"] = view("progress(value)", watched="arrive")
        part["cancel"] = gr.Button("Cancel", elem_id="cancel", elem_classes="quiet")
        with gr.Row(elem_id="ways", visible=False) as part["ways"]:
            part["again"] = gr.Button(TRY_AGAIN, elem_id="again", elem_classes="quiet")
            part["put_away"] = gr.Button("Close", elem_id="put-away", elem_classes="quiet")
    return part


def place() -> dict[str, gr.blocks.Block]:
    """A film on show, what it can be compared with, and its files."""
    part = {}
    with gr.Column(elem_id="show", visible=False) as part["show"]:
        part["heading"] = view("heading(value)", watched="arrive")
        for name in ("film", "alone"):
            part[name] = gr.Video(elem_id=name, autoplay=True, loop=True, buttons=[], show_label=False)
        part["compare"] = view("compare(value)", ("pick", "make"), "comparing", elem_id="compare")
        part["both"] = view("both(value)", elem_id="both")
        with gr.Row(elem_id="take"):
            for name, title in TAKES.items():
                part[name] = gr.DownloadButton(title, elem_classes=["quiet", "take"])
            part["share"] = gr.Button(SHARE, elem_id="share", elem_classes="quiet")
        part["link"] = view("link(value)")
    return part
