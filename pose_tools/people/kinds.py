"""What the traced arrays of a data set say; readable without anny and warp."""

import numpy as np

KINDS = ("nobody", "skin", "face", "hair", "cloth", "shoes")
UNKNOWN = np.int16(-32768)  # of the flow
STEPS = 16  # of the flow, a pixel
