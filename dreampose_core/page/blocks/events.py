"""Which handler of the desks answers what is pressed on the page."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import gradio as gr

from dreampose_core.page.blocks.controls import QUICK
from dreampose_core.page.blocks.zero_gpu import borrow_gpu
from dreampose_core.page.choices import CHOSEN, HAND
from dreampose_core.page.desks.compare import NOTHING
from dreampose_core.page.desks.desk import Desk
from dreampose_core.page.parts import PARTS, Look, note
from dreampose_core.page.views import NO_SHELF
from dreampose_core.trouble import sentence_for
from pose_tools.errors import BadInput


def wire(page: gr.Blocks, desk: Desk, part: dict) -> None:
    """Connect what people press to the desk's handlers."""
    outputs = [part[name] for name in PARTS]
    visitor, job, held, clip, subject = (part[n] for n in ("visitor", "job", "held", "clip", "subject"))
    motions, compare, video, own, fitting = desk.motions, desk.compare, part["video"], part["own"], part["fitting"]
    choices = (part["photo"], subject, own, fitting)
    hand, more = ([part[n] for n in names] for names in (HAND, ("more_photos", "more_shown")))
    named = [name for name in CHOSEN if name in part]
    chosen = [part["photo"], subject, part["motion"], *(part[name] for name in named)]

    def answer(handler: Callable, *arguments: object) -> dict:
        """The parts to change; what is gone, such as a film deleted in another tab, is said."""
        try:
            changes = handler(*arguments)
        except (BadInput, OSError, sqlite3.Error) as error:
            told = str(error) if isinstance(error, BadInput) else sentence_for(error)
            if told is None:
                raise
            stopped, still = {compare.poll: NOTHING}, Look(active=False)
            stopped |= {desk.poll: {"timer": still}, motions.poll_fitting: {"fit_timer": still}}
            changes = stopped.get(handler, {}) if isinstance(error, BadInput) else {}  # a disk may have room again
            if handler == desk.enter:
                changes = {"library": NO_SHELF}  # the choices wait for it
            changes = changes | {"go_note": note(told)}  # gr.Warning is not shown for events without a queue
        shown = {part[n]: gr.update(**v) if isinstance(v, Look) else v for n, v in changes.items()}
        return shown or {part["timer"]: gr.skip()}  # an empty dict would be taken for a value

    def on(event: Callable, handler: Callable, *inputs: gr.blocks.Block, **more: str) -> gr.events.Dependency:
        # Gradio's clock of a pending part that is hidden meanwhile runs on in every frame, forever: none is started
        return event(handler, list(inputs), outputs, show_progress_on=visitor, **QUICK, **more)

    def plain(handler: Callable) -> Callable:
        return lambda *arguments: answer(handler, *arguments)

    def which(handler: Callable) -> Callable:
        """For a button that stands for one of many: its id comes after the visitor's."""

        def handle(browser: str | None, event: gr.EventData, *arguments: object) -> dict:
            return answer(handler, browser, event.id, *arguments)

        return handle

    def each(event: Callable, handler: Callable, *inputs: gr.blocks.Block) -> gr.events.Dependency:
        """As on, for buttons of which a second one may be pressed while the first is being answered: Gradio would not
        hear it, and with "always_last" it would hand over the first one's id once more."""
        return on(event, which(handler), *inputs, trigger_mode="multiple")

    def enter(browser: str | None, request: gr.Request) -> dict:
        return answer(desk.enter, browser, request.query_params.get("clip"))

    def start(browser: str | None, photo: str | None, who: str | None, motion: str, *values: object) -> dict:
        return answer(desk.start, browser, photo, who, motion, dict(zip(named, values, strict=True)))

    def fit_after(event: gr.events.Dependency) -> None:
        on(event.then, plain(motions.fit), visitor, *choices)

    on(page.load, enter, visitor)
    for event in (part["photo"].upload, part["photo"].clear):
        fit_after(on(event, plain(desk.take_photo), visitor, part["photo"], trigger_mode="always_last"))
    fit_after(each(part["examples"].pick, desk.take_example, visitor))
    on(part["timer"].tick, plain(desk.poll), visitor, job, held, subject, part["photo"], fitting)
    on(part["cancel"].click, plain(desk.stop), visitor, job, held, subject)
    on(part["put_away"].click, plain(desk.put_away), visitor, job)
    on(part["share"].click, plain(desk.toggle_share), visitor, clip)
    each(part["compare"].pick, compare.open, visitor, clip)
    fit_after(each(part["library"].pick, desk.take_subject, visitor))
    fit_after(each(part["library"].remove, desk.remove_subject, visitor, subject, clip))
    on(part["both_timer"].tick, plain(compare.poll), visitor, clip, part["opening"], part["opened"])
    each(part["library"].open, desk.open_clip, visitor)
    each(part["library"].erase, desk.erase_clip, visitor, clip, subject)
    on(video.upload, plain(motions.take_video), visitor, video, trigger_mode="always_last")
    on(part["leave"].click, plain(motions.leave_video), visitor)
    on(part["start"].input, plain(motions.look_at), visitor, video, part["start"], trigger_mode="always_last")
    on(part["motion"].pick, plain(motions.choose), visitor, part["motion"], *choices, trigger_mode="always_last")
    each(part["motion"].drop, motions.drop, visitor, own)
    on(part["fit_timer"].tick, plain(motions.poll_fitting), visitor, *choices, part["fitted"])
    for slider in hand:
        on(slider.input, plain(motions.correct), visitor, fitting, *hand, trigger_mode="always_last")
    on(part["fps"].input, plain(motions.pace), visitor, own, part["fps"], trigger_mode="always_last")
    on(part["add"].upload, plain(desk.advanced.take_more), visitor, part["add"], *more)
    on(part["more_shown"].drop, which(desk.advanced.drop_more), visitor, *more)
    for event in (part["background_picture"].upload, part["background_picture"].clear):
        on(event, plain(desk.advanced.take_backdrop), visitor, part["background_picture"])
    on(part["profile"].change, plain(desk.take_profile), visitor, part["profile"], subject)
    wanted = [part["start"], part["end"], part["frame"], part["fps"], part["smooth"]]
    begun = [
        on(part["read"].click, plain(desk.read), visitor, video, *wanted),
        on(part["go"].click, start, visitor, *chosen),
        on(part["again"].click, plain(desk.again), visitor, job, held, subject),
        on(part["compare"].make, which(desk.make_to_compare), visitor, clip, held, subject),
    ]
    if not desk.house.worker:
        work = borrow_gpu(desk.house)
        for event in begun:
            event.then(work, api_visibility="private", concurrency_limit=8)
