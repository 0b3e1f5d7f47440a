"""How near pictures are to the true ones.

metrics.py      measures on arrays
perceptual.py   measures by networks that are not part of the project
lpips.py        one of them, whose weights a package has
evaluation.py   the paper's table
readouts.py     likeness and steadiness of a film, without any truth
reenactment.py  clips of a test set made again from their first frames
"""
