"""The page, from what is seen of it down to what it may do.

blocks    what is seen, and which handler answers what is pressed: the only files that know Gradio
desks     the handlers, one for each region of the page
parts     the names by which handlers change the page     choices   what the fold of further choices holds
views     what is shown, as plain values                  wording   what films are called
handout   which files are given away                      window    under which addresses
comparison   two films beside each other                  composer  the making of their video
service   what programs ask for                           house     what anybody may ask for, and who sees to it
"""
