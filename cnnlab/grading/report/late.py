"""Late work: what the course system says of it, and what a rule takes off."""

import math
import re
from pathlib import Path

from cnnlab.grading.report.csvs import read_rows

_RULE = re.compile(r"(?P<share>\d+(?:[.,]\d+)?) ?%(?P<per_day> ?/ ?day)?")
_DAYS = {"year": 365, "week": 7, "day": 1, "hour": 1 / 24, "min": 1 / 1440, "sec": 0}
_SPAN = re.compile(r"(\d+) (year|week|day|hour|min|sec)s?")  # as Moodle says it
_STATUS = re.compile(r"(\d+ [a-z]+(?: \d+ [a-z]+)*) late", re.IGNORECASE)


def check_rule(rule: str) -> str:
    """The rule, `"10%"` or `"10%/day"`. Raises ValueError for another."""
    match = _RULE.fullmatch(rule.strip())
    if rule and not (match and _share(match) <= 1):
        raise ValueError(f"--late-penalty: expected 10% or 10%/day. Received: {rule!r}")
    return rule.strip()


def penalty(rule: str, late: str) -> float:
    """The share, 0 to 1, that is taken off work so late; each day begun counts.

    Args:
        rule: from `check_rule`, or empty.
        late: such as `"1 day 2 hours late"`, `"late"`, or empty.

    Raises ValueError where days count and nobody said how many.
    """
    match = _RULE.fullmatch(rule)
    if not match or not late:
        return 0.0
    if not match["per_day"]:
        return _share(match)
    spans = _SPAN.findall(late)
    if not spans:
        raise ValueError(
            f"--late-penalty {rule}: only {late!r} is known, not how late. Give "
            "Moodle's grading worksheet with --worksheet, or a rule without /day."
        )
    days = math.ceil(sum(int(n) * _DAYS[unit] for n, unit in spans)) or 1
    return min(1.0, days * _share(match))


def _share(match: re.Match) -> float:
    return float(match["share"].replace(",", ".")) / 100


def read_worksheet(path: Path) -> dict[str, str]:
    """By account, how late work came, from Moodle's grading worksheet in English.

    The status there reads "Submitted for grading1 day 2 hours late". Raises ValueError
    where the columns are not those.
    """
    found = {}
    for _, row in read_rows(path, {"identifier", "status"}):
        said = _STATUS.search(row["status"])
        number = re.search(r"\d+$", row["identifier"].strip())
        if said and number:
            found[f"moodle {number.group()}"] = f"{said[1]} late"
    return found
