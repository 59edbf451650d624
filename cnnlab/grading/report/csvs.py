"""Tables of spreadsheets: CSV without formulas out; every dialect, .ods, .xlsx in."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_WORKBOOKS = (".ods", ".xls", ".xlsb", ".xlsm", ".xlsx")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# A spreadsheet may split at ; or tab, or start a new row, inside what we quoted.
# Where an apostrophe stands already, another: no two texts become the same.
_FORMULA = re.compile(r"(^|[;\t\r\n])(?=[^\S\r\n]*'*[=+\-@＝＋－＠])")


def safe_cell(text: str) -> str:
    """The text with an apostrophe wherever a spreadsheet would see a formula.

    >>> safe_cell("=HYPERLINK(A1)")
    "'=HYPERLINK(A1)"
    """
    return _FORMULA.sub(r"\1'", _CONTROL.sub("", text))


def csv_text(rows: Iterable[Iterable]) -> str:
    """A table as CSV; None is blank, numbers have at most two decimals."""
    file = io.StringIO()
    csv.writer(file).writerows([_cell(value) for value in row] for row in rows)
    return file.getvalue()


def _cell(value) -> str:
    if value is None:
        return ""
    return safe_cell(value) if isinstance(value, str) else f"{round(value, 2):.10g}"


def read_rows(path: Path, needed: set[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """(row as a spreadsheet counts, column -> text) of a table that a person saved.

    The first sheet of a workbook; or text with commas, semicolons or tabs, in UTF-8,
    UTF-16 or the letters of Windows. Heads in any case. Raises ValueError where a
    needed column is missing, or a workbook cannot be read.
    """
    is_workbook = path.suffix.lower() in _WORKBOOKS
    table = iter(_sheet(path)) if is_workbook else _csv(path.read_bytes())
    head = [name.strip().casefold() for name in next(table, [])]
    missing = sorted(needed - set(head))
    if missing:
        raise ValueError(f"{path}, row 1: no column {missing} among {head}.")
    for number, row in enumerate(table, start=2):
        if any(row):
            row += [""] * (len(head) - len(row))
            yield number, dict(zip(head, row, strict=False))


def _sheet(path: Path) -> list[list[str]]:
    """The first sheet of a workbook, as a person reads its cells."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        mend = "pip install python-calamine, or save the table as CSV"
        raise ValueError(f"{path}: a workbook. To mend: {mend}.") from None
    try:
        with CalamineWorkbook.from_path(path) as workbook:
            rows = workbook.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except CalamineError as error:
        raise ValueError(f"{path}: not a workbook to be read ({error}).") from None
    return [[_cell(v) if isinstance(v, float) else str(v) for v in r] for r in rows]


def _csv(data: bytes) -> Iterator[list[str]]:
    text = _decode(data)
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def _decode(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    if b"\0" in data[:2]:
        return data.decode("utf-16-le" if data[0] else "utf-16-be", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")  # Excel's plain "CSV"
