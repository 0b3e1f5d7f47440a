"""What visitors keep: subjects, clips and own motions, each a folder on disk.

files.py    small files that are written in one piece
entries.py  a subject, a clip, a motion, read from its folder
library.py  a visitor's library of them
"""
