"""Estimators: RGB frames in, DensePose charts of the people in them out.

found: the protocol; choose: which one is taken; lite: embedded, mediapipe and the fitted body; densepose: the
official network in plain PyTorch; detectron2: the official packages.
"""
