"""The photo's appearance carried to a pose: make_sheet once a photo, then carry once a pose.

Of the photo a sheet is made:
sheet.py      Sheet, make_sheet: the person as surfaces in layers
matte.py      alpha, clean colours                             backdrop.py  plain backdrops; shadows that go along
scenery.py    what is behind the person in a room or outdoors
views.py      the fitted body, group by group                  layers.py    which pixel is body, leg or arm
extents.py    where a layer goes on behind another             sides.py     the trunk's sides behind arms
textures.py   colours of a layer's front and back
relief.py     depth and skinning of a layer                    fill.py      fills that the others share
light.py      the photo's light, and how bright it makes a surface
colours.py    which of two things a pixel is of; skin

In a pose it is drawn:
draw.py       Carried, carry, for_film, smaller                piece.py     a layer's own part of the sheet
fragments.py  what is seen of one layer at every sample        composite.py all layers over one another

Both are done with what has folders of its own:
head/         hair, face and nape that the photo does not show
cloth/        cloth that goes on around the sides, hangs and swings
feet/         feet and shoes as surfaces of their own
hands/        hands and bent arms seen from another side        built.py     what feet and hands share
"""

from dreampose_core.carry.cloth.skirt import STILL
from dreampose_core.carry.cloth.swing import swings
from dreampose_core.carry.draw import Carried, carry, for_film, smaller
from dreampose_core.carry.sheet import Sheet, make_sheet

__all__ = ["STILL", "Carried", "Sheet", "carry", "for_film", "make_sheet", "smaller", "swings"]
