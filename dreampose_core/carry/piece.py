"""One layer of a sheet, ready to be drawn: what of it is the same in every pose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pose_tools.body.raster import areas

if TYPE_CHECKING:
    from dreampose_core.carry.sheet import Sheet


@dataclass(frozen=True, eq=False)
class Piece:
    """M vertices on the front and as many on the back, F faces on each; see Sheet for what the arrays are.

    faces index the front's vertices, then the back's.
    """

    vertices: slice  # of the sheet
    faces: np.ndarray  # (2F,3) of the front, then of the back; they turn clockwise where they face the camera
    fringe: np.ndarray  # (G,3) of the fringe
    inside: np.ndarray  # (2F,) bool: one may see their other side
    texture_area: np.ndarray  # (2F,) f32 pixels of the photo, or of `flat` for the back, that each shows twice
    place: np.ndarray  # (2M,2)
    laid: np.ndarray  # (2M,2)
    printed: np.ndarray  # (2M,)
    headed: np.ndarray  # (2M,)
    rest: np.ndarray  # (2M,3)
    beyond: np.ndarray  # (2M,)

    def of(self, values: np.ndarray) -> np.ndarray:
        """(2M,C) of values (2N,C) of all the sheet's vertices."""
        return _own(values.reshape(2, -1, values.shape[-1]), self.vertices)


def piece_of(sheet: Sheet, layer: int) -> Piece | None:
    """The piece of a layer, None where there is nothing of it."""
    start, middle, end = sheet.face_start[2 * layer : 2 * layer + 3]
    if start == middle:
        return None
    # a layer's vertices follow each other
    first = sheet.faces[start:end].min()
    vertices = slice(first, sheet.faces[start:end].max() + 1)
    front = sheet.faces[start:middle] - first
    faces = np.concatenate([front, front[:, ::-1] + (vertices.stop - first)])
    laid = _own(sheet.laid.reshape(2, -1, 2), vertices)
    flat_area = np.abs(areas(laid, faces[len(front) :]))
    inside = sheet.open[vertices][front].any(1)
    return Piece(
        vertices,
        faces,
        fringe=sheet.faces[middle:end] - first,
        inside=np.concatenate([inside, inside]),
        texture_area=np.concatenate([np.full(len(front), sheet.cell**2, np.float32), flat_area]),
        place=np.tile(sheet.place[vertices], (2, 1)),
        laid=laid,
        printed=sheet.printed[:, vertices].ravel(),
        headed=sheet.headed[:, vertices].ravel(),
        rest=np.concatenate([sheet.rest_front[vertices], sheet.rest_back[vertices]]),
        beyond=np.tile(sheet.beyond[vertices], 2),
    )


def _own(pairs: np.ndarray, vertices: slice) -> np.ndarray:
    """(2M,C) of values (2,N,C) per vertex of front and back."""
    return pairs[:, vertices].reshape(-1, pairs.shape[-1])
