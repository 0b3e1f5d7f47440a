"""Feet and shoes: reading.py what the photo tells of them, footwear.py their surfaces, drawing.py how they come into a
picture."""
