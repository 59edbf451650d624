"""Workbooks as small as they can be: one sheet, with texts and numbers."""

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

_OASIS = "urn:oasis:names:tc:opendocument:xmlns"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATION = (
    f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r1" Type="{_OFFICE}/'
    '{}" Target="{}"/></Relationships>'
)
FILES = {  # by suffix: what is in the zip, {} where the rows stand
    ".ods": {
        "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
        "META-INF/manifest.xml": f'<m:manifest xmlns:m="{_OASIS}:manifest:1.0"/>',
        "content.xml": f'<office:document-content xmlns:office="{_OASIS}:office:1.0" '
        f'xmlns:table="{_OASIS}:table:1.0" xmlns:text="{_OASIS}:text:1.0">'
        '<office:body><office:spreadsheet><table:table table:name="m">{}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>",
    },
    ".xlsx": {
        "_rels/.rels": _RELATION.format("officeDocument", "xl/workbook.xml"),
        "xl/_rels/workbook.xml.rels": _RELATION.format("worksheet", "worksheets/m.xml"),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        '<sheet name="m" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/worksheets/m.xml": f'<worksheet xmlns="{_MAIN}"><sheetData>'
        "{}</sheetData></worksheet>",
    },
}
_CELLS = {  # a row, a number, a text
    ".ods": (
        "<table:table-row>{}</table:table-row>",
        '<table:table-cell office:value-type="float" office:value="{}"/>',
        '<table:table-cell office:value-type="string"><text:p>{}</text:p>'
        "</table:table-cell>",
    ),
    ".xlsx": (
        "<row>{}</row>",
        "<c><v>{}</v></c>",
        '<c t="inlineStr"><is><t>{}</t></is></c>',
    ),
}


def write_workbook(path: Path, rows: list[list[str | float]]) -> None:
    """Write rows as a workbook of the kind that the path's suffix says."""
    row, number, text = _CELLS[path.suffix]
    body = ""
    for values in rows:
        cells = ((number if isinstance(v, float) else text, v) for v in values)
        body += row.format("".join(kind.format(escape(str(v))) for kind, v in cells))
    with zipfile.ZipFile(path, "w") as file:
        for name, content in FILES[path.suffix].items():
            file.writestr(name, content.replace("{}", body))
