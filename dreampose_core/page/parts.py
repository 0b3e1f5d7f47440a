"""The parts of the page that handlers change, by their names, and what may be said of them. Knows no toolkit."""

from __future__ import annotations

PARTS = (
    "visitor job held clip subject timer stage progress cancel ways again show heading film alone take_video"
    " take_beside take_gif take_frames share link compare opening opened both both_timer photo photo_note go go_note"
    " library motion video drop reading frame start end read read_note own chosen preview about take_poses"
    " fitting fitted fit_timer fit hand scale shift_x shift_y frames fps"
    " profile steps s1 s2 guidance_from guidance_to scheduler finetune_steps decoder_steps tuning tune tuned"
    " more_photos more_shown more_note refined detailed"
    " background_picture behind_note"
).split()

Parts = dict[str, object]


class Look(dict):
    """Properties of a part: visible, interactive, active, value, and what else the part has."""


HIDDEN, VISIBLE = Look(visible=False), Look(visible=True)


def note(text: object, kind: str = "error") -> dict:
    """A line that stands under what it is about. kind: error, good or busy."""
    return {"kind": kind, "text": str(text)}
