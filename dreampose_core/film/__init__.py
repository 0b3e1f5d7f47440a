"""From the model's frames to the film's.

finishing.py     frame by frame: the photo carried to the pose, then the rest
detail.py        the photo's detail at a multiple of the model's size
colours.py       the photo's colours over wide areas
background.py    another background behind the person
surroundings.py  frames back in the whole photo
"""
