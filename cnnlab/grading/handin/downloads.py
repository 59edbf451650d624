"""What a course system says in the names of its downloads: who, and whether late.

Only what the system itself puts there counts: a name it shows holds no underscore, so
nothing that a student may choose, a name or a file's, can stand for another's number.
"""

import re
from dataclasses import dataclass

_SYSTEMS = {
    # mod/assign/locallib.php: underscores of a name become spaces
    "moodle": re.compile(r"(?P<name>[^_]+)_(?P<id>\d+)_assignsubmission_[a-z]+_?"),
    # lib/content_zipper.rb: name, LATE, student's number, attachment's number
    "canvas": re.compile(r"(?P<name>[^_]+)(?P<late>_LATE)?_(?P<id>\d{3,})_\d{3,}_"),
}


@dataclass(frozen=True)
class Sender:
    """Who handed in a file or folder of a download.

    Args:
        account: `"moodle 12345"`, `"canvas 12345"`, or empty.
        entry: what the system wrote before the student's own file name.
        late: what it says about lateness, in words, or empty.
    """

    name: str
    account: str = ""
    entry: str = ""
    late: str = ""


def read_sender(entry: str) -> Sender:
    """What a name at the top of a download says; a plain name is just a name."""
    for system, pattern in _SYSTEMS.items():
        if match := pattern.match(entry):
            late = "late" if match.groupdict().get("late") else ""
            account = f"{system} {match['id']}"
            return Sender(match["name"], account, match.group().rstrip("_"), late)
    return Sender(entry)
