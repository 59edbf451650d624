"""What a person says about what was handed in, and what is kept of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cnnlab.grading.handin.files import File
from cnnlab.grading.handin.submissions import Submission
from cnnlab.grading.report.decisions import find_student


@dataclass(frozen=True)
class Choices:
    """Said once, on the command line.

    Args:
        only: students to be graded now, by name, account or number; empty for all.
        files: by student, the one of several files that counts.
        assume_lab: whether a notebook that says of no lab is taken for this one.
        late: by account, how late work came, in words.
    """

    only: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    assume_lab: bool = False
    late: Mapping[str, str] = field(default_factory=dict)


def apply(
    choices: Choices, submissions: list[Submission], chosen: Mapping[str, str]
) -> tuple[list[Submission], dict[str, str]]:
    """The submissions as they are meant, and by path the files that were chosen.

    Args:
        chosen: by path, what was chosen in an earlier run; where that file is gone,
            all are looked at again.

    Raises ValueError for a student or a file that is not there.
    """
    # Chosen once, for good: a later run need not say it again.
    files = dict(chosen)
    for student, name in choices.files.items():
        submission = find_student(submissions, student)
        if len(_called(submission, name)) != 1:
            there = ", ".join(f.long for f in submission.files) or "nothing"
            raise ValueError(
                f"{submission.student}: not one file {name!r}, but {there}."
            )
        files[submission.path] = name
    meant = [_as_meant(s, choices, files.get(s.path, "")) for s in submissions]
    if choices.only:
        only = {find_student(meant, text).path for text in choices.only}
        meant = [s for s in meant if s.path in only]
    return meant, files


def _as_meant(submission: Submission, choices: Choices, file: str) -> Submission:
    return replace(
        submission,
        files=_called(submission, file) or submission.files,
        assume_lab=choices.assume_lab,
        late=choices.late.get(submission.account, submission.late),
    )


def _called(submission: Submission, name: str) -> tuple[File, ...]:
    """The files of this name or path; in a download, something may stand before it."""
    for same in (
        lambda f: f.short == name,
        lambda f: f"/{f.long}".endswith(f"/{name}"),
        lambda f: f.short.endswith(name),
    ):
        found = tuple(f for f in submission.files if name and same(f))
        if found:
            return found
    return ()
