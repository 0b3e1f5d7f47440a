"""What is to be made, and for whom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dreampose_core.library.library import Library
from dreampose_core.profiles import Profile, find_profile
from dreampose_core.settings import AnimateSettings, given
from pose_tools.errors import BadInput


@dataclass(frozen=True)
class Order:
    """What is to be made, and for whom.

    subject: id of a subject in the library, or of the new one that is made of `photo`; title: the new one's;
    clip: the new clip's id; poses: a file in place of the motion that the settings name; sound: to be laid under
    the clip; backdrop: the picture that the settings' background wants; folder: where unfinished work is kept; more:
    further photos of the same person, which the finetune of a new subject learns from too; device: of torch; offload,
    compile: the way to render there, as the pipeline's methods of these names say.
    """

    library: Library
    settings: AnimateSettings
    folder: Path
    subject: str
    clip: str = ""
    photo: Path | None = None
    poses: Path | None = None
    sound: Path | None = None
    backdrop: Path | None = None
    title: str = ""
    more: tuple[Path, ...] = ()
    device: str = "cpu"
    offload: bool = False
    compile: bool = False

    @property
    def profile(self) -> Profile:
        return profile_of(self.settings)

    @property
    def tuned_folder(self) -> Path:
        """Where the finetune of its subject for its profile is, or will be."""
        return self.library.subject_folder(self.subject) / "tuned" / self.profile.name


def profile_of(settings: AnimateSettings) -> Profile:
    """The profile that settings name. BadInput if there is none, or if its weights are not here."""
    try:
        profile = find_profile(settings.profile)
    except KeyError as error:
        raise BadInput(str(error.args[0])) from error
    if not profile.here:
        raise BadInput(profile.what_to_do)
    return profile


def beginning(
    settings: AnimateSettings, profile: Profile, carried: bool = True
) -> tuple[str | None, float | None, float]:
    """Start, strength and pull of a film: what its settings say, or else the profile for its own start.

    carried: whether the photo can be carried to the poses, without which the profile's are not used.
    """
    own = carried and settings.start_from in (None, profile.start)
    usual = (profile.start, profile.strength, profile.pull) if own else (None, None, 0.0)
    asked = settings.start_from, settings.strength, settings.pull
    start, strength, pull = map(given, asked, usual)
    return start, strength, pull
