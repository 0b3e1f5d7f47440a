"""What may be given for a choice: kinds of rules, each of which checks a value and says in one sentence what it wants.

A rule also says in one line what the choice is for, so that the command line, the page and the API tell the same.
Knows none of the choices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pose_tools.errors import BadInput


@dataclass(frozen=True)
class Number:
    """A number from least to most, both allowed; a whole one, 36 or 36.0, where least is an int. words: begin the
    sentence."""

    words: str
    about: str
    least: float
    most: float

    @property
    def whole(self) -> bool:
        return isinstance(self.least, int)

    def checked(self, value: object) -> float:
        if not _is_number(value, self.whole) or not self.least <= value <= self.most:
            kind = "a whole number" if self.whole else "a number"
            raise BadInput(f"{self.words} must be {kind} from {self.least:g} to {self.most:,}.".replace(".0.", "."))
        return int(value) if self.whole else value


@dataclass(frozen=True)
class Span:
    """Two numbers from least to most, the smaller one first. JSON makes a list of them, and `checked` a pair again."""

    words: str
    about: str
    least: float
    most: float

    def checked(self, value: object) -> tuple[float, float]:
        pair = tuple(value) if isinstance(value, (tuple, list)) else ()
        if (
            len(pair) != 2
            or not all(_is_number(one, whole=False) for one in pair)
            or not self.least <= pair[0] <= pair[1] <= self.most
        ):
            between = f"from {self.least:g} to {self.most:g}"
            raise BadInput(f"{self.words} must be two numbers {between}, the smaller one first.")
        return float(pair[0]), float(pair[1])


@dataclass(frozen=True)
class Choice:
    """One of several words."""

    words: str
    about: str
    choices: tuple[str, ...]

    def checked(self, value: object) -> str:
        if value not in self.choices:
            raise BadInput(f"{self.words} must be one of {', '.join(self.choices)}.")
        return value


@dataclass(frozen=True)
class Switch:
    """Yes or no."""

    words: str
    about: str

    def checked(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise BadInput(f"{self.words} must be true or false.")
        return value


@dataclass(frozen=True)
class Text:
    """A word that a function looks at, which raises BadInput."""

    about: str
    look: Callable[[str], object]

    def checked(self, value: object) -> str:
        self.look(value)
        return value


Rule = Number | Span | Choice | Switch | Text


def _is_number(value: object, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return not whole or float(value).is_integer()
