"""What gradio_client calls, and what an MCP server offers as tools."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

import gradio as gr

from dreampose_core.film.background import COLOUR
from dreampose_core.page.choices import HAND, MACHINE, RANGES
from dreampose_core.page.desks.desk import Desk
from dreampose_core.page.service import Service
from dreampose_core.profiles import find_profile
from dreampose_core.rules import Number, Switch
from dreampose_core.settings import RULES
from pose_tools.errors import BadInput


def add_endpoints(desk: Desk, part: dict) -> None:
    """What gradio_client calls, and what an MCP server offers as tools."""
    service, handout = Service(desk.house), desk.handout
    with gr.Column(visible=False):
        name, subject, job, visitor = (gr.Textbox(label=t) for t in ("Motion", "Subject", "Job", "Visitor"))
        estimator = gr.Textbox("auto", label="Estimator")
        person = [gr.Number(-1, label=t) for t in ("Person x", "Person y")]
        shown, archive = gr.Video(label="Preview"), gr.File(label="Poses")
        told, listed = gr.JSON(label="Progress"), gr.JSON(label="Motions")
        files = [gr.Video(label=t) for t in ("Side by side", "Film")]
        files += [gr.File(label=t) for t in ("GIF", "Frames")]
        own = find_profile(desk.house.profile)
        given = {"motion": name, "subject": subject, "visitor": visitor, "profile": gr.Textbox(label="The model")}
        given |= {name: choice(name, getattr(own, name)) for name in ("frames", "fps")}
        given |= {name: gr.Number(label=RANGES[name].label) for name in ("guidance_from", "guidance_to")}
        given |= {name: gr.Checkbox(False, label=name.capitalize()) for name in MACHINE}
        given["background_colour"] = gr.Textbox(COLOUR, label="Colour of a plain background")
        given["more_photos"] = gr.File(file_count="multiple", label="Further photos")
        given |= {name: part[name] for name in ("photo", *HAND, "background", "background_picture")}
        film = [given.get(each) or choice(each) for each in inspect.signature(service.animate).parameters]
    video = [part["video"], part["start"], part["end"], given["fps"], *person, estimator, part["smooth"], visitor]
    endpoints = (
        (service.animate, film, told),
        (service.extract, video, told),
        (service.status, [job, visitor], told),
        (service.cancel, [job, visitor], told),
        (handout.result, [job, visitor], files),
        (handout.poses, [job, visitor], [shown, archive]),
        (handout.motions, [], listed),
    )
    for function, inputs, outputs in endpoints:
        gr.Button(visible=False).click(in_words(function), inputs, outputs, api_name=function.__name__)


def choice(name: str, value: object = None) -> gr.components.Component:
    """A hidden input for a setting of this name; what may be given is told by its rule."""
    rule = RULES[name]
    if isinstance(rule, Switch):
        return gr.Checkbox(True, label=rule.words)
    kind = gr.Number if isinstance(rule, Number) else gr.Textbox
    return kind(value, label=rule.words)


def in_words(function: Callable) -> Callable:
    """The function, with what is wrong with its input told to the client."""

    @functools.wraps(function)
    def told(*arguments: object) -> object:
        try:
            return function(*arguments)
        except BadInput as error:
            raise gr.Error(str(error), print_exception=False) from error

    return told
