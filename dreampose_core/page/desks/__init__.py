"""The page's handlers: a wish in, the parts to change out. Which toolkit draws the parts is not known here."""
