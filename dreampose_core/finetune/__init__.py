"""The subject finetune: the two stages of the paper, and what has to be known before one begins.

tuning.py         what may be chosen, and the named choices
crops.py          the views of the photos that a subject is learnt from
subject_cache.py  what is encoded once for all steps
trainable.py      copies of the networks that are trained
stages.py         one stage: steps, scores, the best weights, a state to go on from
finetune.py       UNet and adapter, then the VAE's decoder
budget.py, disk.py  the memory and time, and the room, that it takes
"""
