"""The one error that is meant for the person at the page: something they gave cannot be used."""


class BadInput(ValueError):
    """What a person gave cannot be used; the message is one plain sentence that says why."""
