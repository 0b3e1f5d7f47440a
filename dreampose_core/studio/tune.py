"""The model of one subject: loaded, or finetuned."""

from __future__ import annotations

from dataclasses import asdict, replace

from dreampose_core.carry import Sheet
from dreampose_core.finetune.finetune import finetune_subject
from dreampose_core.finetune.tuning import FinetuneSettings, tuning_of
from dreampose_core.pipeline import DreamPosePipeline
from dreampose_core.progress import Progress, Report
from dreampose_core.settings import AnimateSettings, given
from dreampose_core.studio.order import Order
from dreampose_core.studio.pace import finetune_seconds
from dreampose_core.studio.prepare import more_photos
from dreampose_core.subject import Subject
from dreampose_core.weights.checkpoints import load_tuned, tuned_settings
from pose_tools.errors import BadInput


def tune(
    order: Order, pipeline: DreamPosePipeline, subject: Subject, sheet: Sheet, report: Report
) -> tuple[DreamPosePipeline, AnimateSettings]:
    """The subject's own pipeline, loaded or finetuned, and the settings with every None filled in."""
    asked, profile, folder = order.settings, order.profile, order.tuned_folder
    kept = tuned_settings(pipeline, folder)
    if kept:
        for name, has in (("finetune_steps", kept["steps"]), ("decoder_steps", kept["decoder_steps"])):
            if getattr(asked, name) not in (None, has):
                had = f"{kept['steps']} and {kept['decoder_steps']} steps"
                raise BadInput(
                    f"This subject was finetuned with {had}; leave them out, or start from the photo."
                )
    if kept and asked.tuning:
        same = {name: kept[name] for name in ("steps", "decoder_steps", "seed")}
        if asdict(replace(tuning_of(profile.name, asked.tuning), **same)) != kept:
            raise BadInput("This subject was finetuned with another tuning; leave it out, or start from the photo.")
    steps, decoder_steps = (kept["steps"], kept["decoder_steps"]) if kept else asked.steps_of_finetune(profile)
    settings = replace(
        asked,
        finetune_steps=steps,
        decoder_steps=decoder_steps,
        steps=given(asked.steps, profile.steps),
        s1=given(asked.s1, profile.s1),
        s2=given(asked.s2, profile.s2),
    )
    if not settings.finetuned:
        return pipeline, settings
    if kept:
        try:
            return load_tuned(pipeline, folder), settings
        except BadInput as error:
            report(Progress("finetune", 0, steps, message=f"{error} This subject is finetuned anew."))
    wanted = replace(
        tuning_of(profile.name, asked.tuning), steps=steps, decoder_steps=decoder_steps, seed=settings.seed
    )
    if kept:  # as it was
        wanted = FinetuneSettings(**kept)
    seconds, photos = finetune_seconds(order, wanted), more_photos(order, all_kept=bool(kept))
    return finetune_subject(pipeline, subject, sheet, wanted, folder, report, photos, seconds), settings
