"""Heads from all sides: volume.py their shape, around.py what goes around the skull, behind.py the back of the trunk
from the collar up, quilt.py more of a hair's texture than a photo shows."""
