"""What is seen of the page: the only files of the project that know Gradio.

launch       the whole page, its style and its server
layout       where everything stands; photo, motion, advanced and film place a region each, of controls
events       which handler of the desks answers what is pressed
endpoints    what programs call
zero_gpu     the work on a Space that lends a GPU to single calls
"""
