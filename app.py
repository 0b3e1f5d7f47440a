"""DreamPose Studio's page: its layout, and handlers of a few lines that call dreampose_core.

    python app.py [--share] [--host HOST] [--port PORT] [--profile NAME] [--library DIR]

The page holds no work and no results: it puts jobs in line and reads from disk what became of them, so that a
reload, a closed tab or a restart loses nothing. lay_out and what it calls place the parts, wire connects them to the
handlers of dreampose_core/page/desks, add_endpoints opens the same to programs. What it looks like is in
assets/page; what the fold of further choices holds, and in which words, in dreampose_core/page/desks/advanced.py.
"""

from __future__ import annotations

import argparse
import atexit
import base64
import functools
import importlib.util
import inspect
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

if os.environ.get("SPACES_ZERO_GPU"):
    import spaces  # before anything that imports torch
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
if "GRADIO_TEMP_DIR" not in os.environ:  # the default keeps people's photos, for all to read
    os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="dreampose-")
    atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)

import gradio as gr  # noqa: E402
from gradio.data_classes import FileData, ImageData  # noqa: E402

from dreampose_core.background import COLOUR, KEEP, PICTURE, PLAIN  # noqa: E402
from dreampose_core.jobs.inline import do_job, give_up, take_job  # noqa: E402
from dreampose_core.page.desks.advanced import (  # noqa: E402
    BACKDROPS,
    BEHIND,
    CHOSEN,
    COLOURS,
    HAND,
    MACHINE,
    RANGES,
    SHOWN,
    SWITCHED,
    WAYS,
    Fold,
    way,
)
from dreampose_core.page.desks.compare import NOTHING  # noqa: E402
from dreampose_core.page.desks.desk import GO_NEW, LIFETIME, SHARE, Desk  # noqa: E402
from dreampose_core.page.desks.motion import READ  # noqa: E402
from dreampose_core.page.parts import PARTS, VISIBLE, Look  # noqa: E402
from dreampose_core.page.service import ZERO_GPU, House, Service, best_device  # noqa: E402
from dreampose_core.page.window import Window  # noqa: E402
from dreampose_core.photo import MAX_BYTES  # noqa: E402
from dreampose_core.profiles import DEFAULT_PROFILE, PROFILES, find_profile  # noqa: E402
from dreampose_core.rules import Number, Switch  # noqa: E402
from dreampose_core.settings import RULES, SWITCHES  # noqa: E402
from dreampose_core.surroundings import FILM  # noqa: E402
from dreampose_core.trouble import sentence_for  # noqa: E402
from pose_tools.body.motion import list_motions  # noqa: E402
from pose_tools.errors import BadInput  # noqa: E402
from pose_tools.extract import MAX_VIDEO_BYTES  # noqa: E402

ASSETS = Path(__file__).resolve().parent / "assets"
PAGE = ("page", "compare")  # the files of its style and its script
POLL_SECONDS = 1.0
GPU_SECONDS = 120  # asked of a ZeroGPU Space for one film
TAKES = {"take_video": "Video", "take_beside": "Side by side", "take_gif": "GIF", "take_frames": "Frames"}
QUICK = {"api_visibility": "private", "queue": False, "show_progress": "hidden"}  # events that take but a moment
TITLE = '<div class="title"><i>{}</i><h2>{}</h2><span>{}</span></div>'
DEMO = """<div class="demo" aria-hidden="true">
  <figure><img src="{photo}" alt=""><figcaption>a photo</figcaption></figure>
  <svg viewBox="0 0 24 24"><path d="M3 12h17M14 6l6 6-6 6"/></svg>
  <figure><picture><source media="(prefers-reduced-motion: reduce)" srcset="{still}"><img src="{film}" alt=""></picture>
  <figcaption>becomes a film</figcaption></figure></div>"""
MASTHEAD = (
    '<header class="masthead"><h1>DreamPose <em>Studio</em></h1>'
    "<p>One photo and one motion become a film of that person moving.</p></header>"
)


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


def demo() -> str:
    """A photo and the film of it, in the place that is empty until there is a photo."""
    photo, made = address(ASSETS / "examples" / "orange_skirt.jpg"), ASSETS / "page"
    return DEMO.format(photo=photo, film=address(made / "demo.webp"), still=address(made / "demo.jpg"))


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
    return gr.Slider(value=value, label=reach.label, buttons=[], **ends, **precise, **look)


def advanced(house: House) -> dict[str, gr.blocks.Block]:
    """The inputs of the fold by the names of Service.animate's arguments, with the model's own values, and what stands
    among them. Only what has an effect here is to be seen."""
    here, own, seen = house.profiles(), Fold(house).values(find_profile(house.profile)), {}
    own |= {"frames": here[house.profile].frames, "fps": here[house.profile].fps}
    with gr.Row():
        for name in ("frames", "fps", "steps"):
            seen[name] = slider(name, own[name])
        seen["scheduler"] = gr.Dropdown(own["scheduler"]["choices"], value="", label="Sampler", elem_id="sampler")
    with gr.Row():
        seen |= {name: slider(name, own[name]) for name in ("s1", "s2")}
        seen["seed"] = gr.Number(0, precision=0, minimum=0, maximum=2**31 - 1, label="Seed", min_width=120)
        names = [(one.title.split(":")[0], name) for name, one in here.items()]
        seen["profile"] = gr.Dropdown(names, value=house.profile, label="Model", visible=len(here) > 1)
    with gr.Row(visible=not own["s1"] == own["s2"] == 1, elem_id="interval") as interval:
        seen |= {name: slider(name, own[name]) for name in ("guidance_from", "guidance_to")}
    seen |= tuning_choices(own)
    with gr.Row(elem_id="without"):
        for name in SWITCHES:
            label = SWITCHED.get(name, RULES[name].words)
            visible = own.get(name, VISIBLE)["visible"]
            seen[name] = gr.Checkbox(True, label=label, info="Off: a film to compare with", visible=visible)
    if house.has_gpu:
        with gr.Row():
            seen |= {name: gr.Checkbox(False, label=label) for name, label in MACHINE.items()}
    for one in (seen["s1"], seen["s2"]):
        one.change(lambda s1, s2: gr.update(visible=not s1 == s2 == 1), [seen["s1"], seen["s2"]], interval, **QUICK)
    return seen


def tuning_choices(own: dict) -> dict[str, gr.blocks.Block]:
    """The finetune's part of the fold, and the line that a tuned subject has in its place."""
    seen = {}
    with gr.Column(elem_id="tune") as seen["tune"]:
        with gr.Row():
            seen |= {name: slider(name, own[name]) for name in ("finetune_steps", "decoder_steps")}
        ways = [(title, name) for name, (title, _) in WAYS.items()]
        seen["tuning"] = gr.Radio(ways, label="Way of finetuning", **own["tuning"])
        seen["more_photos"] = gr.State([])
        with gr.Row(elem_id="more"):
            seen["more_shown"] = view("photos(value)", ("drop",), value=[])
            seen["add"] = gr.UploadButton(
                "Add photos of the same person", file_count="multiple", elem_id="add", elem_classes="quiet"
            )
        seen["more_note"] = view("note(value)", elem_id="more-note")
    seen["tuned"] = view("note(value)", elem_id="tuned")
    seen["tuning"].change(lambda name: gr.update(info=way(name)), seen["tuning"], seen["tuning"], **QUICK)
    return seen


def behind() -> dict[str, gr.blocks.Block]:
    """The fold's choices of what the film shows, and of what is behind the person."""
    with gr.Row(elem_id="behind"):
        shown = gr.Radio(list(SHOWN), value=FILM, label="The film shows")
        kind = gr.Radio(list(BACKDROPS), value=KEEP, label="Background")
        colour = view(f"colours(value, {list(COLOURS)})", (), "tint", value=COLOUR, visible=False)
        picture = Photo(
            elem_id="backdrop", sources=["upload"], type="filepath", format="png", buttons=[], visible=False,
            height=150, label="Picture", placeholder="Drop a picture here, or click to choose one",
        )  # fmt: skip
    kind.change(
        lambda kind: (gr.update(visible=kind == PLAIN), gr.update(visible=kind == PICTURE)),
        kind, [colour, picture], **QUICK,
    )  # fmt: skip
    return {"framing": shown} | dict(zip(BEHIND, (kind, colour, picture), strict=True))


def build(house: House) -> gr.Blocks:
    """The page of a house. No event takes more than a moment, but for the one that borrows a GPU."""
    examples = sorted((ASSETS / "examples").glob("*.jpg"))
    desk = Desk(house, tuple(examples), Window(Path(os.environ["GRADIO_TEMP_DIR"]), address))
    with gr.Blocks(title="DreamPose Studio", analytics_enabled=False, delete_cache=(3600, LIFETIME)) as page:
        parts, pictures = lay_out(house, examples)
        wire(page, desk, parts, pictures)
        add_endpoints(desk, parts)
    return page


def lay_out(house: House, examples: list[Path]) -> tuple[dict, gr.HTML]:
    """Place everything. Returns the parts by their names, and the examples."""
    samples = [{"picture": address(path), "title": path.stem.replace("_", " ")} for path in examples]
    cards = []
    for m in list_motions():
        shown = {"picture": address(m.thumbnail), "still": address(m.poster)}
        cards.append({"name": m.name, "title": m.title, "about": m.about, **shown})
    part: dict[str, gr.blocks.Block] = {
        "visitor": gr.BrowserState(storage_key="dreampose-visitor", secret="dreampose"),  # outlives a restart
        "job": gr.State(None),  # the job in hand
        "held": gr.State(None),  # the job whose photo is still in the photo's place
        "clip": gr.State(None),  # the film on show, if it is the visitor's own
        "opening": gr.State(None),  # it, and the film that is being put beside it
        "both_timer": gr.Timer(POLL_SECONDS / 2, active=False),
        "subject": gr.State(None),  # the chosen subject, None for a photo
        "timer": gr.Timer(POLL_SECONDS, active=False),
        "own": gr.State(None),  # the chosen motion that was read from a video, None for one of the gallery
        "fitting": gr.State(None),  # the job that puts it on the photo
        "fitted": gr.State(()),  # which motion that is, and which subject or photo
        "fit_timer": gr.Timer(POLL_SECONDS / 2, active=False),
    }
    gr.HTML(MASTHEAD, elem_id="head", apply_default_css=False)
    with gr.Column(elem_id="stage", visible=False) as part["stage"]:
        part["progress"] = view("progress(value)", watched="arrive")
        part["cancel"] = gr.Button("Cancel", elem_id="cancel", elem_classes="quiet")
        part["again"] = gr.Button("Try again", elem_id="again", elem_classes="quiet", visible=False)
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
    with gr.Row(elem_id="composer"):
        with gr.Column(elem_id="photo-side"):
            gr.HTML(TITLE.format(1, "The photo", "one person, head to feet"), apply_default_css=False)
            part["photo"] = Photo(
                elem_id="photo", sources=["upload"], type="filepath", format="png", buttons=[],
                show_label=False, label="Photo", placeholder="Drop a photo here, or click to choose one",
            )  # fmt: skip
            gr.HTML(demo(), elem_id="demo", apply_default_css=False)
            part["photo_note"] = view("note(value)", elem_id="photo-note")
            pictures = view("examples(list)", ("pick",), list=samples)
        with gr.Column(elem_id="motion-side"):
            part["motion"] = view(
                "motions(list, own)", ("pick", "drop"), "choose", elem_id="motions",
                value=cards[0]["name"], list=cards, own=[], source="gallery",
            )  # fmt: skip
            lay_out_own(part)
            part["go"] = gr.Button(GO_NEW, variant="primary", elem_id="go")
            part["go_note"] = view("note(value)", elem_id="go-note")
            with gr.Accordion("Advanced", open=False, elem_id="advanced"):
                part |= advanced(house)
                part |= behind()
    part["library"] = view("library(value)", ("pick", "remove", "open", "erase"), elem_id="library")
    return part, pictures


def lay_out_own(part: dict[str, gr.blocks.Block]) -> None:
    """A video of one's own: uploaded, looked at, read, and put on the photo. Shown where the switch stands at it."""
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


def wire(page: gr.Blocks, desk: Desk, part: dict, pictures: gr.HTML) -> None:
    """Connect what people press to the desk's handlers."""
    outputs = [part[name] for name in PARTS]
    visitor, job, held, clip, subject = (part[n] for n in ("visitor", "job", "held", "clip", "subject"))
    motions, compare, video, own, fitting = desk.motions, desk.compare, part["video"], part["own"], part["fitting"]
    choices = (part["photo"], subject, own, fitting)
    hand, more = ([part[n] for n in names] for names in (HAND, ("more_photos", "more_shown")))
    named = [name for name in CHOSEN if name in part]
    chosen = [part["photo"], subject, part["motion"], *(part[name] for name in named)]

    def answer(handler: Callable, *arguments: object) -> dict:
        """The parts to change; what is gone, such as a film deleted in another tab, is said aside."""
        try:
            changes = handler(*arguments)
        except (BadInput, OSError, sqlite3.Error) as error:
            told = str(error) if isinstance(error, BadInput) else sentence_for(error)
            if told is None:
                raise
            gr.Warning(told, title="")
            stopped, still = {compare.poll: NOTHING}, Look(active=False)
            stopped |= {desk.poll: {"timer": still}, motions.poll_fitting: {"fit_timer": still}}
            changes = stopped.get(handler, {}) if isinstance(error, BadInput) else {}  # a disk may have room again
        shown = {part[n]: gr.update(**v) if isinstance(v, Look) else v for n, v in changes.items()}
        return shown or {part["timer"]: gr.skip()}  # an empty dict would be taken for a value

    def on(event: Callable, handler: Callable, *inputs: gr.blocks.Block, **more: str) -> gr.events.Dependency:
        return event(handler, list(inputs), outputs, **QUICK, **more)

    def plain(handler: Callable) -> Callable:
        return lambda *arguments: answer(handler, *arguments)

    def which(handler: Callable) -> Callable:
        """For a button that stands for one of many: its id comes after the visitor's."""

        def handle(browser: str | None, event: gr.EventData, *arguments: object) -> dict:
            return answer(handler, browser, event.id, *arguments)

        return handle

    def enter(browser: str | None, request: gr.Request) -> dict:
        return answer(desk.enter, browser, request.query_params.get("clip"))

    def start(browser: str | None, photo: str | None, who: str | None, motion: str, *values: object) -> dict:
        return answer(desk.start, browser, photo, who, motion, dict(zip(named, values, strict=True)))

    def fit_after(event: gr.events.Dependency) -> None:
        on(event.then, plain(motions.fit), visitor, *choices)

    on(page.load, enter, visitor)
    fit_after(on(part["photo"].upload, plain(desk.take_photo), visitor, part["photo"]))
    fit_after(on(part["photo"].clear, plain(desk.take_photo), visitor, part["photo"]))
    fit_after(on(pictures.pick, which(desk.take_example), visitor))
    on(part["timer"].tick, plain(desk.poll), visitor, job, held, subject, part["photo"], fitting)
    on(part["cancel"].click, plain(desk.stop), visitor, job, held, subject)
    on(part["share"].click, plain(desk.toggle_share), visitor, clip)
    on(part["compare"].pick, which(compare.open), visitor, clip)
    fit_after(on(part["library"].pick, which(desk.take_subject), visitor))
    fit_after(on(part["library"].remove, which(desk.remove_subject), visitor, subject))
    on(part["both_timer"].tick, plain(compare.poll), visitor, clip, part["opening"])
    on(part["library"].open, which(desk.open_clip), visitor)
    on(part["library"].erase, which(desk.erase_clip), visitor, clip, subject)
    on(video.upload, plain(motions.take_video), visitor, video)
    on(part["leave"].click, plain(motions.leave_video), visitor)
    on(part["start"].input, plain(motions.look_at), visitor, video, part["start"], trigger_mode="always_last")
    on(part["motion"].pick, which(motions.choose), visitor, own, part["photo"], subject, fitting)
    on(part["motion"].drop, which(motions.drop), visitor, own)
    on(part["fit_timer"].tick, plain(motions.poll_fitting), visitor, *choices, part["fitted"])
    for slider in hand:
        on(slider.input, plain(motions.correct), visitor, fitting, *hand, trigger_mode="always_last")
    on(part["fps"].input, plain(motions.pace), visitor, own, part["fps"], trigger_mode="always_last")
    on(part["add"].upload, plain(desk.fold.take_more), visitor, part["add"], *more)
    on(part["more_shown"].drop, which(desk.fold.drop_more), visitor, *more)
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


def borrow_gpu(house: House) -> Callable[[], None]:
    """For a ZeroGPU Space: do the next waiting job inside a GPU call, while the page polls as ever."""
    work = spaces.GPU(duration=GPU_SECONDS)(lambda job: do_job(house.root, job))

    def do() -> None:
        if job := take_job(house.root, house.device):
            try:
                work(job)
            finally:
                give_up(house.root, job, "The time on the GPU ran out; fewer frames, or a shorter part, take less.")

    return do


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
