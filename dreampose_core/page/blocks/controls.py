"""The controls that the regions of the page are made of."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.data_classes import FileData, ImageData

from dreampose_core.page.choices import RANGES

QUICK = {"api_visibility": "private", "queue": False, "show_progress": "hidden"}  # events that take but a moment
TITLE = '<div class="title"><i>{}</i><h2>{}</h2><span>{}</span></div>'


class Photo(gr.Image):
    """An image input that hands over the file as it was uploaded; open_photo says what is wrong with it."""

    is_template = True

    def preprocess(self, payload: ImageData | None) -> str | None:
        return payload.path if payload else None


class Footage(gr.File):
    """A video input that hands over the file as it was uploaded; check_video says what is wrong with it."""

    is_template = True

    def preprocess(self, payload: FileData | None) -> str | None:
        return payload.path if payload else None


def address(path: Path) -> str:
    """The address of a file that Gradio serves, relative so that it holds behind a prefix too."""
    return f"gradio_api/file={path}"


def view(call: str, events: tuple[str, ...] = (), watched: str = "", **properties: object) -> gr.HTML:
    """An HTML component that shows what a function of assets/page/*.js makes of its value or its properties.

    events: what its buttons trigger; watched: a function there that minds its value.
    """
    listen = f"studio.act(element, trigger, {list(events)})" if events else None
    if watched:
        listen = f"studio.{watched}(element, props, watch, trigger, {list(events)})"
    template = f"${{studio.{call}}}"
    return gr.HTML(html_template=template, js_on_load=listen, apply_default_css=False, **properties)


def slider(name: str, value: float, **look: object) -> gr.Slider:
    """A slider over what makes sense for a setting."""
    reach = RANGES[name]
    precise = {"precision": 0} if reach.step == 1 else {}
    ends = {"minimum": reach.least, "maximum": reach.most, "step": reach.step}
    return gr.Slider(value=value, label=reach.label, info=reach.meaning, buttons=[], **ends, **precise, **look)
