"""What goes back to students through the course system: a zip of their pages.

Moodle: "Upload multiple feedback files in a zip" of the assignment takes folders called
as in its download (mod/assign/feedback/file/importziplib.php: name, participant, plugin
between underscores). Canvas: "Upload Submissions" takes files whose first two numbers
are the student and an attachment (app/models/assignment.rb), and shows each under the
name of that attachment.
"""

import zipfile
from pathlib import Path

from cnnlab.grading.judge.results import Result
from cnnlab.grading.report.decisions import shared_accounts
from cnnlab.grading.report.files import disk_error, page_name
from cnnlab.grading.report.pages import feedback_name
from cnnlab.grading.report.tables import is_complete
from cnnlab.teaching.source import Lab

SYSTEMS = ("moodle", "canvas")


def write_zip(
    results: list[Result], lab: Lab, out: Path, system: str = "", *, all_: bool = False
) -> tuple[Path, list[Result], list[Result]]:
    """Pack the pages that `out` holds; the zip, whose are in it, and whose are not.

    Args:
        results: as they are shown, with decisions.
        system: `"moodle"`, `"canvas"`, or empty for a zip of pages by name.
        all_: also pages without a complete grade.

    Raises ValueError where nothing came from that system.
    """
    shared = shared_accounts(results)
    taken = [r for r in results if _place(r, lab, system) and r.account not in shared]
    if not taken:
        raise ValueError(f"nothing in {out} came from {system or 'anybody'}.")
    taken = [r for r in taken if all_ or is_complete(r)]
    path = out / f"feedback{f'_{system}' * bool(system)}.zip"
    places = {_place(r, lab, system): out / feedback_name(r) for r in taken}
    _pack(path, places)
    return path, taken, [r for r in results if r not in taken]


def _pack(path: Path, files: dict[str, Path]) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        with zipfile.ZipFile(part, "w") as archive:
            for name, file in files.items():
                member = zipfile.ZipInfo(name)  # no date: the same class, the same zip
                archive.writestr(member, file.read_bytes(), zipfile.ZIP_DEFLATED)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise disk_error(error, path) from error


def _place(result: Result, lab: Lab, system: str) -> str:
    """Where the page stands in the zip; empty for somebody of another system."""
    if not system:
        return f"{page_name(result.student)}.html"
    if not result.entry or not result.account.startswith(f"{system} "):
        return ""
    page = f"{lab.name}_feedback.html"
    # until Moodle 4.0 the folder ended in an underscore; later ones take both
    return f"{result.entry}_{'/' * (system == 'moodle')}{page}"
