"""Hands: reading.py what the photo tells of them, drawing.py how the figure's hands come into a picture."""
