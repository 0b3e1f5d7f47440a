"""The one way from a photo to a clip, shared by the worker, the page and the command line.

prepare (photo -> subject, sheet) -> finetune, decoder -> render (frame by frame) -> write (videos and the
rest). Every stage looks first at what is already on disk, so that a run that was killed anywhere goes on from
there, and ends with what an undisturbed run makes: all that is random is seeded by frame or step. Knows
nothing of jobs.
"""

from dreampose_core.studio.make import make_clip, make_subject
from dreampose_core.studio.order import Order, beginning, profile_of
from dreampose_core.studio.pace import expected
from dreampose_core.studio.prepare import load_pipeline

__all__ = ["Order", "beginning", "expected", "load_pipeline", "make_clip", "make_subject", "profile_of"]
