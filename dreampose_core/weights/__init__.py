"""Weights: what is kept on disk, and what comes from elsewhere.

checkpoints.py  models, tuned subjects and states to go on from, as safetensors
headers.py      what files say of their weights, of which nothing is loaded
hub.py          the base of the paper's model, from the Hugging Face Hub
authors.py      the authors' released files
base.py         a model of the paper's size, put together of these
"""
