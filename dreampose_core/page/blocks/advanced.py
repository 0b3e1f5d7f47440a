"""The fold of further choices: only what has an effect here is to be seen."""

from __future__ import annotations

import gradio as gr

from dreampose_core.film.background import COLOUR, KEEP, PICTURE, PLAIN
from dreampose_core.film.surroundings import FILM
from dreampose_core.page.blocks.controls import QUICK, Photo, slider, view
from dreampose_core.page.choices import BACKDROPS, BEHIND, COLOURS, MACHINE, SAMPLER, SEED, SHOWN, SWITCHED, WAYS
from dreampose_core.page.desks.advanced import AdvancedDesk, way
from dreampose_core.page.house import House
from dreampose_core.page.parts import VISIBLE
from dreampose_core.profiles import find_profile
from dreampose_core.settings import RULES, SWITCHES


def place(house: House) -> dict[str, gr.blocks.Block]:
    """The inputs of the fold by the names of Service.animate's arguments, with the model's own values, and what stands
    among them. Only what has an effect here is to be seen."""
    here, own, seen = house.profiles(), AdvancedDesk(house).values(find_profile(house.profile)), {}
    own |= {"frames": here[house.profile].frames, "fps": here[house.profile].fps}
    with gr.Row():
        for name in ("frames", "fps", "steps"):
            seen[name] = slider(name, own[name])
        choices = own["scheduler"]["choices"]
        seen["scheduler"] = gr.Dropdown(choices, value="", label="Sampler", info=SAMPLER, elem_id="sampler")
    with gr.Row():
        seen |= {name: slider(name, own[name]) for name in ("s1", "s2")}
        seen["seed"] = gr.Number(0, precision=0, minimum=0, maximum=2**31 - 1, label="Seed", info=SEED, min_width=120)
        names = [(one.title.split(":")[0], name) for name, one in here.items()]
        seen["profile"] = gr.Dropdown(names, value=house.profile, label="Model", visible=len(here) > 1)
    with gr.Row(visible=not own["s1"] == own["s2"] == 1, elem_id="interval") as interval:
        seen |= {name: slider(name, own[name]) for name in ("guidance_from", "guidance_to")}
    seen |= _place_tuning(own)
    with gr.Row(elem_id="without"):
        for name in SWITCHES:
            label = SWITCHED.get(name, RULES[name].words)
            visible = own.get(name, VISIBLE)["visible"]
            seen[name] = gr.Checkbox(True, label=label, visible=visible)
    gr.HTML('<p class="hint">Switch one off to make a film to compare with.</p>', apply_default_css=False)
    if house.has_gpu:
        with gr.Row():
            seen |= {name: gr.Checkbox(False, label=label) for name, label in MACHINE.items()}
    for one in (seen["s1"], seen["s2"]):
        one.change(lambda s1, s2: gr.update(visible=not s1 == s2 == 1), [seen["s1"], seen["s2"]], interval, **QUICK)
    return seen | _place_behind()


def _place_tuning(own: dict) -> dict[str, gr.blocks.Block]:
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


def _place_behind() -> dict[str, gr.blocks.Block]:
    """The fold's choices of what the film shows, and of what is behind the person."""
    with gr.Row(elem_id="behind"):
        shown = gr.Radio(list(SHOWN), value=FILM, label="The film shows")
        kind = gr.Radio(list(BACKDROPS), value=KEEP, label="Background")
        colour = view(f"colours(value, {list(COLOURS)})", (), "tint", value=COLOUR, visible=False)
        picture = Photo(
            elem_id="backdrop", sources=["upload"], type="filepath", format="png", buttons=[], visible=False,
            height=150, label="Picture", placeholder="Choose a picture, or drop one here",
        )  # fmt: skip
    told = view("note(value)", elem_id="behind-note", visible=False)
    kind.change(
        lambda kind: [gr.update(visible=kind == wanted) for wanted in (PLAIN, PICTURE, PICTURE)],
        kind, [colour, picture, told], show_progress_on=kind, **QUICK,
    )  # fmt: skip
    return {"framing": shown, "behind_note": told} | dict(zip(BEHIND, (kind, colour, picture), strict=True))
