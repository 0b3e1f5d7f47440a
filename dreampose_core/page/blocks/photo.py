"""The first choice: the photo, and the examples to try."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from dreampose_core.page.blocks.controls import TITLE, Photo, address, view
from dreampose_core.profiles import ASSETS

DEMO = """<div class="demo" aria-hidden="true">
  <figure><img src="{photo}" alt=""><figcaption>a photo</figcaption></figure>
  <svg viewBox="0 0 24 24"><path d="M3 12h17M14 6l6 6-6 6"/></svg>
  <figure><picture><source media="(prefers-reduced-motion: reduce)" srcset="{still}"><img src="{film}" alt=""></picture>
  <figcaption>becomes a film</figcaption></figure></div>"""


def place(examples: list[Path]) -> dict[str, gr.blocks.Block]:
    """The photo's side of the page."""
    gr.HTML(TITLE.format(1, "The photo", "one person, head to feet"), apply_default_css=False)
    part = {
        "photo": Photo(
            elem_id="photo", sources=["upload"], type="filepath", format="png", buttons=[],
            show_label=False, label="Photo", placeholder="Choose a photo, or drop one here",
        )
    }  # fmt: skip
    gr.HTML(_demo(), elem_id="demo", apply_default_css=False)
    part["photo_note"] = view("note(value)", elem_id="photo-note")
    samples = [{"picture": address(path), "title": path.stem.replace("_", " ")} for path in examples]
    part["examples"] = view("examples(list)", ("pick",), list=samples)
    return part


def _demo() -> str:
    """A photo and the film of it, in the place that is empty until there is a photo."""
    photo, made = address(ASSETS / "examples" / "orange_skirt.jpg"), ASSETS / "page"
    return DEMO.format(photo=photo, film=address(made / "demo.webp"), still=address(made / "demo.jpg"))
