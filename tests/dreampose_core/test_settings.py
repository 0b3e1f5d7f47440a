"""Settings: every field goes through JSON unchanged, and what cannot be is refused with one sentence."""

import json
from dataclasses import fields

import pytest

from dreampose_core.rules import Choice, Number, Span, Switch
from dreampose_core.settings import RULES, STARTS, AnimateSettings
from pose_tools.errors import BadInput


def another(name: str, now: object) -> object:
    """A value that may be given for a field and is not the one it has."""
    rule = RULES.get(name)
    if isinstance(rule, Number):
        return rule.least if now != rule.least else rule.most
    if isinstance(rule, Span):
        return (rule.least, (rule.least + rule.most) / 2)
    if isinstance(rule, Choice):
        return next(one for one in rule.choices if one != now)
    if isinstance(rule, Switch):
        return not now
    return "#102030" if name == "background_colour" else "another"


def test_every_choice_survives_the_way_to_a_worker():
    plain = AnimateSettings("catwalk")
    changed = {field.name: another(field.name, getattr(plain, field.name)) for field in fields(plain)}
    settings = AnimateSettings(**changed)
    assert all(getattr(settings, name) != getattr(plain, name) for name in changed)
    assert AnimateSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_every_rule_is_of_a_field_and_says_what_it_is_for():
    names = {field.name for field in fields(AnimateSettings)}
    assert set(RULES) <= names
    assert names - set(RULES) == {"motion", "profile", "extraction"}, "a choice without a rule"
    assert all(rule.about for rule in RULES.values())


def test_the_starts_are_those_of_the_pipeline():
    from dreampose_core import pipeline

    assert STARTS == pipeline.STARTS


@pytest.mark.parametrize("name", RULES)
def test_what_no_field_can_be_is_one_sentence(name):
    for wrong in ([], "no such word", 1e12, -1e12, float("nan")):
        with pytest.raises(BadInput) as error:
            AnimateSettings("catwalk", **{name: wrong})
        said = str(error.value)
        assert said.endswith(".") and said.count(". ") == 0 and "\n" not in said


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"frames": None}, "The number of frames must be a whole number from 1 to 1,800."),
        ({"seed": True}, "The seed must be a whole number from 0 to 2,147,483,647."),
        ({"fps": 12.5}, "The number of frames a second must be a whole number from 1 to 60."),
        ({"s2": 31}, "The guidance s2 must be a number from 0 to 30."),
        ({"guidance_interval": (0.6, 0.5)}, "The guidance's interval must be two numbers from 0 to 1, the smaller"),
        ({"guidance_interval": (0.5,)}, "The guidance's interval must be two numbers"),
        ({"scheduler": "euler"}, "The scheduler must be one of pndm, ddim, dpm++, unipc."),
        ({"tuning": "huge"}, "The tuning must be one of lora, small, full."),
        ({"background": "sea"}, "The background must be one of keep, plain, picture."),
        ({"refined": "yes"}, "Refined must be true or false."),
    ],
)
def test_the_sentences(values, sentence):
    with pytest.raises(BadInput) as error:
        AnimateSettings("catwalk", **values)
    assert sentence in str(error.value)
