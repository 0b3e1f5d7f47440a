"""The page, from what is seen of it down to what it may do.

blocks    what is seen, and which handler answers what is pressed: the only files that know Gradio
desks     the handlers, one for each region of the page, and parts: the names by which they change it
views     what is shown of jobs and libraries as plain values, and wording: in which words
comparison, composer   two films beside each other: which ones, and the making of their video
handout, window        which files are given away, and under which addresses
service   the named endpoints, and the rules of the house
"""
