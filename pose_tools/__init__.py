"""Poses: read, estimate, smooth, align, draw. Knows nothing of models that make pictures, nor of the page."""
