"""Where everything stands on the page."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from dreampose_core.page.blocks import advanced, film, motion, photo
from dreampose_core.page.blocks.controls import view
from dreampose_core.page.desks.desk import GO_NEW
from dreampose_core.page.house import House

POLL_SECONDS = 1.0
MASTHEAD = (
    '<header class="masthead"><h1>DreamPose <em>Studio</em></h1>'
    "<p>One photo and one motion become a film of that person moving.</p></header>"
)

Blocks = dict[str, gr.blocks.Block]


def lay_out(house: House, examples: list[Path]) -> Blocks:
    """Place everything. Returns the parts by their names: those of parts.PARTS, and others that are only listened
    to."""
    part = _kept()
    gr.HTML(MASTHEAD, elem_id="head", apply_default_css=False)
    part |= film.place_progress()
    part |= film.place()
    with gr.Row(elem_id="composer"):
        with gr.Column(elem_id="photo-side"):
            part |= photo.place(examples)
        with gr.Column(elem_id="motion-side"):
            part |= motion.place()
            part["go"] = gr.Button(GO_NEW, variant="primary", elem_id="go")
            part["go_note"] = view("note(value)", elem_id="go-note")
            with gr.Accordion("Advanced", open=False, elem_id="advanced"):
                part |= advanced.place(house)
    part["library"] = view("library(value)", ("pick", "remove", "open", "erase"), "enter", elem_id="library")
    return part


def _kept() -> Blocks:
    """What a page knows and does not show."""
    return {
        "visitor": gr.BrowserState(storage_key="dreampose-visitor", secret="dreampose"),  # outlives a restart
        "job": gr.State(None),  # the job in hand
        "held": gr.State(None),  # the job whose photo is still in the photo's place
        "clip": gr.State(None),  # the film on show, if it is the visitor's own
        "opening": gr.State(None),  # it, and the film that is being put beside it
        "opened": gr.State(None),  # the same of what was shown last
        "both_timer": gr.Timer(POLL_SECONDS / 2, active=False),
        "subject": gr.State(None),  # the chosen subject, None for a photo
        "timer": gr.Timer(POLL_SECONDS, active=False),
        "own": gr.State(None),  # the chosen motion that was read from a video, None for one of the gallery
        "fitting": gr.State(None),  # the job that puts it on the photo
        "fitted": gr.State(()),  # which motion that is, and which subject or photo
        "fit_timer": gr.Timer(POLL_SECONDS / 2, active=False),
    }
