"""The photo's appearance carried to a pose: make_sheet once a photo, then carry once a pose.

sheet.py  Sheet, make_sheet      matte.py   alpha, clean foreground colours, completed background
draw.py   Carried, carry, smaller layers.py  which pixel is body, leg or arm; what one hides of another
head.py   the volume of hair     around.py  the head unrolled, with what the photo does not show of it
behind.py the back of the trunk  quilt.py   more of a texture than a photo shows
shoes.py   the sides and heels of shoes
skirt.py  width and hanging      drape.py   cloth that stays outside of the legs
relief.py depth and skinning     fill.py    smooth and textured fills that the others share
wrap.py   cloth that goes on around the sides: unroll.py lays layers out flat, weave.py makes more of a cloth
backdrop.py  a plain backdrop without the shadow that a person casts; the shadow that goes along
"""

from dreampose_core.carry.draw import Carried, carry, smaller
from dreampose_core.carry.sheet import Sheet, make_sheet
from dreampose_core.carry.skirt import STILL
from dreampose_core.carry.swing import swings

__all__ = ["STILL", "Carried", "Sheet", "carry", "make_sheet", "smaller", "swings"]
