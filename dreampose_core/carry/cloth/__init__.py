"""Cloth: wrap.py lets it go on around sides and back (unroll.py lays layers out flat, weave.py makes more of a cloth,
opening.py closes the back of an open coat); skirt.py is how skirts hang, drape.py how they lie on legs, swing.py how
they swing."""
