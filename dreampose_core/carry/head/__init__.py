"""Heads from all sides: volume.py their shape, around.py how they are unrolled about the skull, painting.py the texture
for that, and behind.py the back of the trunk from the collar up."""
