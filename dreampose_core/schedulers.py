"""The samplers that may be chosen, made from a model's own schedule.

PNDM (Liu et al. 2022, arXiv:2202.09778; the authors' choice) and DDIM (Song et al. 2020, arXiv:2010.02502) keep the
schedule's own spacing, so that they compute what the authors' program computes. DPM-Solver++ (Lu et al. 2022,
arXiv:2211.01095) and UniPC (Zhao et al. 2023, arXiv:2302.04867) are meant for few steps and begin at the very last
timestep, where the noise is strongest (Lin et al. 2023, arXiv:2305.08891).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pose_tools.errors import BadInput

if TYPE_CHECKING:  # who only needs the names need not wait for it
    from diffusers.schedulers.scheduling_utils import SchedulerMixin

SCHEDULERS = {  # name: class of diffusers, and what it is told beside the model's schedule
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "ddim": ("DDIMScheduler", {"clip_sample": False}),
    "dpm++": ("DPMSolverMultistepScheduler", {"timestep_spacing": "trailing", "algorithm_type": "dpmsolver++"}),
    "unipc": ("UniPCMultistepScheduler", {"timestep_spacing": "trailing"}),
}
STARTS = ("photo", "noise", "carried")  # what the first latents may be made of


def make_scheduler(name: str, own: SchedulerMixin) -> SchedulerMixin:
    """A sampler by its name, of the schedule that a model was trained with.

    BadInput where there is no such sampler, or where it cannot follow the model's schedule.
    """
    if name not in SCHEDULERS:
        raise BadInput(f"There is no scheduler named {name}; there are {', '.join(SCHEDULERS)}.")
    import diffusers

    kind, options = SCHEDULERS[name]
    if name == "pndm" and own.config.get("rescale_betas_zero_snr"):
        raise BadInput("This model's schedule ends in pure noise, which PNDM cannot follow; please choose another one.")
    return getattr(diffusers, kind).from_config(own.config, **options)
