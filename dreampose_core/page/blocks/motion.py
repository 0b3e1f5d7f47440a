"""The second choice: a motion of the gallery, or a video of one's own."""

from __future__ import annotations

import gradio as gr

from dreampose_core.page.blocks.controls import Footage, address, slider, view
from dreampose_core.page.choices import HAND
from dreampose_core.page.desks.motion import READ
from pose_tools.body.motion import list_motions


def place() -> dict[str, gr.blocks.Block]:
    """The motion's side of the page."""
    cards = []
    for m in list_motions():
        shown = {"picture": address(m.thumbnail), "still": address(m.poster)}
        cards.append({"name": m.name, "title": m.title, "about": m.about, **shown})
    gallery = view(
        "motions(list, own)", ("pick", "drop"), "choose", elem_id="motions",
        value=cards[0]["name"], list=cards, own=[], source="gallery",
    )  # fmt: skip
    return {"motion": gallery} | _place_own()


def _place_own() -> dict[str, gr.blocks.Block]:
    """A video of one's own: uploaded, looked at, read, and put on the photo. Shown where the switch stands at it."""
    part: dict[str, gr.blocks.Block] = {}
    tenth = {"minimum": 0, "step": 0.1, "precision": 1, "min_width": 90}
    with gr.Column(elem_id="own-pane"):
        with gr.Column(elem_id="drop") as part["drop"]:
            part["video"] = Footage(elem_id="video", label="A driving video", show_label=False, height=150)
        with gr.Row(elem_id="reading", visible=False) as part["reading"]:
            part["frame"] = view("frame(shown)", watched="point", elem_id="frame", shown=None)
            with gr.Column(elem_id="reading-side"):
                with gr.Row(elem_id="span"):
                    part["start"] = gr.Number(0, label="From second", **tenth)
                    part["end"] = gr.Number(0, label="To second", **tenth)
                part["smooth"] = gr.Checkbox(True, label="Steady the poses over time", elem_id="smooth")
                part["read"] = gr.Button(READ, elem_id="read", elem_classes="quiet")
                part["leave"] = gr.Button("Another video", elem_id="leave", elem_classes="quiet")
        part["read_note"] = view("note(value)", elem_id="read-note")
        with gr.Column(elem_id="chosen", visible=False) as part["chosen"]:
            with gr.Row(elem_id="seen"):
                part["preview"] = gr.Video(elem_id="preview", autoplay=True, loop=True, buttons=[], show_label=False)
                with gr.Column(elem_id="seen-side"):
                    part["about"] = view("about(value)")
                    part["take_poses"] = gr.DownloadButton("Poses", elem_id="take-poses", elem_classes="quiet")
            part["fit"] = view("fit(value)", elem_id="fit")
            with gr.Row(elem_id="hand", visible=False) as part["hand"]:
                part |= {n: slider(n, 1.0 if n == "scale" else 0.0, min_width=120) for n in HAND}
    return part
