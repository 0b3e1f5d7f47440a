"""From the model's frames to a film's: the photo carried to each pose, its detail laid over, another background.

The carried pictures are drawn once. Who renders asks for them at the model's size; as they were drawn they are kept
until their frames are finished, since drawing one takes as long as a step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dreampose_core.carry import STILL, Carried, Sheet, carry, smaller
from dreampose_core.film.background import Matte, before, matte, standing
from dreampose_core.film.detail import lay_detail
from dreampose_core.film.surroundings import Surroundings
from pose_tools.body.figure import Pose
from pose_tools.sequence import PoseSequence


@dataclass(frozen=True, eq=False)
class Moves:
    """The photo carried to each pose of a clip, drawn when it is asked for. swings (T, 3): of its loose cloth (see
    carry.swings), None for cloth that hangs still."""

    sheet: Sheet
    poses: list[Pose]
    swings: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.poses)

    def __getitem__(self, index: int) -> Carried:
        swing = STILL if self.swings is None else self.swings[index]
        return carry(self.sheet, self.poses[index], swing)


@dataclass(frozen=True, eq=False)
class Finish:
    """How a clip's frames are finished. Its items are the carried pictures for who renders.

    poses: of all frames, at the model's size (height, width); moved: the carried pictures, None where the charts drive
    alone; finer: how many times larger than the frames they are drawn, which the finished frames then are too; behind,
    old: uint8 pictures of what is to be behind the person and of what a frame shows there, both None to keep that;
    around: the photo that the finished frames are put back into, None for frames as the model's.
    """

    poses: PoseSequence
    moved: Moves | None = None
    finer: int = 1
    behind: np.ndarray | None = None
    old: np.ndarray | None = None
    around: Surroundings | None = None
    _drawn: dict[int, Carried] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.poses)

    def __getitem__(self, index: int) -> Carried:
        one = self.moved[index]
        if self.finer > 1 or self.behind is not None:
            self._drawn[index] = one
        return one if self.finer == 1 else smaller(one, self.finer)

    def put(self, index: int, frame: np.ndarray) -> np.ndarray:
        """The finished frame of this index, uint8 (H, W, 3), of what the model made, uint8 (h, w, 3)."""
        one = None
        if self.moved is not None and (self.finer > 1 or self.behind is not None):
            # a model may look at no carried pictures
            one = self._drawn.pop(index) if index in self._drawn else self.moved[index]
        if self.finer > 1:
            frame = lay_detail(frame, one)
        if self.behind is None:
            return self.framed(frame)
        person = matte(frame, standing(frame, self.poses.iuv[index]) if one is None else one.alpha, self.old)
        return before(Matte(self.alone(person.alpha), self.alone(person.colours)), self.behind)

    def framed(self, picture: np.ndarray) -> np.ndarray:
        """A picture of what the model frames, in the film's framing: with the photo around it."""
        return picture if self.around is None else self.around.put_in(picture)

    def alone(self, picture: np.ndarray) -> np.ndarray:
        """A picture (h, w[, C]) of what the model frames, in the film's framing: with zeros around it."""
        if self.around is None:
            return picture
        nothing = np.zeros((*self.around.photo.shape[:2], *picture.shape[2:]), picture.dtype)
        return self.around.put_in(picture, nothing)
