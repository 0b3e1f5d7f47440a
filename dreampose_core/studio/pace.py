"""How long a clip takes: how much there is to do of each stage, and what its speed depends on."""

from __future__ import annotations

from pathlib import Path

from dreampose_core.film.background import KEEP
from dreampose_core.film.surroundings import FILM
from dreampose_core.finetune.tuning import DEFAULT_TUNINGS, FinetuneSettings
from dreampose_core.guidance import Guidance
from dreampose_core.settings import SWITCHES, given
from dreampose_core.stopwatch import expected_seconds, known_seconds, speeds_file
from dreampose_core.studio.order import Order, beginning
from dreampose_core.weights.checkpoints import FINISHED


def expected(order: Order) -> dict[str, float]:
    """Seconds each stage of make_clip (of make_subject, where there is no clip) will take on this machine."""
    return expected_seconds(speeds_of(order), order.settings.profile, units_of(order), ways_of(order))


def finetune_seconds(order: Order, tune: FinetuneSettings) -> float | None:
    """What a finetune takes by the speeds of earlier ones, None where there were none."""
    units = {"finetune": tune.steps, "decoder": tune.decoder_steps}
    return known_seconds(speeds_of(order), order.settings.profile, units, ways_of(order))


def units_of(order: Order) -> dict[str, int]:
    """How much there is to do of each stage: persons, steps, denoising steps of all frames, frames."""
    asked, profile = order.settings, order.profile
    tuned = not asked.finetuned or (order.tuned_folder / FINISHED).exists()
    known = (order.library.subject_folder(order.subject) / "subject.json").exists()
    steps, decoder_steps = (0, 0) if tuned else asked.steps_of_finetune(profile)
    units = {
        "prepare": 0 if known else 1 + len(order.more),
        "finetune": steps,
        "decoder": decoder_steps,
    }
    if order.clip:
        steps = given(asked.steps, profile.steps) * given(beginning(asked, profile)[1], 1.0)
        units |= {"render": asked.frames * max(1, round(steps)), "write": asked.frames}
    return units


def ways_of(order: Order) -> dict[str, str]:
    """What the stages' speeds depend on beside the profile: the tuning; what is computed for a frame; where it lies."""
    asked, profile = order.settings, order.profile
    tuning = asked.tuning or DEFAULT_TUNINGS.get(profile.name, "")
    interval = asked.guidance_interval or profile.guidance_interval
    guidance = Guidance(given(asked.s1, profile.s1), given(asked.s2, profile.s2), interval)
    extras = [f"not {name}" for name in SWITCHES if name != "finetuned" and not getattr(asked, name)]
    start, _, pull = beginning(asked, profile)
    extras += ["carried"] if start == "carried" or pull else []
    extras += [] if asked.background == KEEP else ["background"]
    extras += [] if asked.framing == FILM else ["whole photo"]
    extras += [name for name in ("offload", "compile") if getattr(order, name)]
    render = ", ".join([f"{guidance.most_conditions} conditions", *extras])
    return {"finetune": tuning, "decoder": tuning, "render": render, "write": asked.framing}


def speeds_of(order: Order) -> Path:
    return speeds_file(order.library.root, order.device)
