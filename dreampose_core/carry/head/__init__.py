"""Heads from all sides: volume.py their shape, around.py what goes around the skull, and behind.py the back of the
trunk from the collar up."""
