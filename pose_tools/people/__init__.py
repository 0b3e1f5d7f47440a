"""Rendered people: bodies of every build in procedural garments, hair and light, with exact charts.

An authors' extra: it needs anny and warp-lang, which nothing else in the project does. It makes the training and
test data (``python -m pose_tools.people --out DIR --subjects N --frames K --seed S``) and knows nothing about
models.
"""
