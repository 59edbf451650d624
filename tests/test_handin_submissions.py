"""What students hand in, found and read however it was packed or broken."""

import io
import json
import os
import unicodedata
import zipfile
from pathlib import Path

import pytest

from cnnlab.grading.handin import submissions
from cnnlab.grading.handin.choice import Unclear, choose
from cnnlab.grading.handin.notebooks import Unreadable, read_notebook
from cnnlab.grading.handin.submissions import collect

IDS = {"exercise-f"}


def notebook(source="x = 1", lab="lab01", cell_id="exercise-f", **more) -> dict:
    cell = {"cell_type": "code", "id": cell_id, "source": source, "metadata": {}}
    metadata = {"cnnlab": {"lab": lab}} if lab else {}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata} | {
        "cells": [cell | {"outputs": [], "execution_count": None}],
        **more,
    }


TEXT = json.dumps(notebook())
UMLAUT = json.dumps(notebook("größe = 'é'"), ensure_ascii=False)


def pack(members: dict) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def put(root: Path, files: dict) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def found(root) -> dict[str, str]:
    """student -> what `choose` says: the source of the first cell, or its error."""
    said = {}
    for submission in collect(root):
        assert submission.student not in said
        try:
            read, _ = choose(submission, "lab01", IDS)
            said[submission.student] = read["cells"][0]["source"]
        except (Unreadable, Unclear) as error:
            said[submission.student] = f"{type(error).__name__}: {error}"
    return said


# --- one file ---------------------------------------------------------------


@pytest.mark.parametrize(
    "data, note",
    [
        (UMLAUT.encode(), None),
        (UMLAUT.encode("utf-8-sig"), "read as utf-8-sig"),
        (UMLAUT.encode("utf-16"), "read as utf-16"),
        (UMLAUT.encode("utf-16-le"), "read as utf-16-le"),
        (UMLAUT.encode("utf-16-be"), "read as utf-16-be"),
        (UMLAUT.encode("utf-32"), "read as utf-32"),
        (UMLAUT.encode("latin-1"), "not UTF-8; read as latin-1"),
        (UMLAUT.encode() + b"\n}]", "text after the end of the JSON was ignored"),
        (b"\n\r\n " + UMLAUT.encode() + b"\n\n", None),
        (UMLAUT.replace(", ", ",\r\n").encode(), None),
    ],
)
def test_read_notebook_in_any_encoding(data, note):
    read, notes = read_notebook(data)
    assert read["cells"][0]["source"] == "größe = 'é'"
    assert notes == ([note] if note else [])


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "an empty file"),
        (b" \n", "an empty file"),
        (b"Dear teacher,", "not JSON"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "not JSON"),
        (TEXT[:-9].encode(), "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a":' * 100_000, "not JSON"),
        (b"[1, 2]", "not a notebook"),
        (b"{}", "no list of cells"),
        (b'{"cells": 3}', "no list of cells"),
        (b'{"nbformat": 3}', "nbformat 3 that cannot be converted"),
        (b'{"nbformat": 3, "worksheets": [7]}', "nbformat 3 that cannot be converted"),
        (b"\xff\xfe\x00", "not JSON"),
        (json.dumps({"cells": [{}] * 501}).encode(), "501 cells"),
        (json.dumps({"cells": [{"source": "x" * 2**22}]}).encode(), "too much"),
    ],
    ids=lambda v: v[:20] if isinstance(v, str) else None,
)
def test_read_notebook_says_why_it_cannot(data, words):
    with pytest.raises(Unreadable, match=words):
        read_notebook(data)


def test_read_notebook_of_nbformat_3():
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [
            {
                "cells": [
                    {
                        "cell_type": "code",
                        "input": ["x = 1\n", "y"],
                        "language": "python",
                        "metadata": {},
                        "outputs": [],
                        "collapsed": False,
                    }
                ],
                "metadata": {},
            }
        ],
    }
    read, notes = read_notebook(json.dumps(old).encode())
    assert read["cells"][0]["source"] == "x = 1\ny"
    assert notes == ["nbformat 3 was converted to 4"]


@pytest.mark.parametrize("minor", [0, 4, 99, "new"])
def test_read_notebook_of_any_minor_version(minor):
    read, notes = read_notebook(json.dumps(notebook(nbformat_minor=minor)).encode())
    assert (read["cells"][0]["source"], notes) == ("x = 1", [])


@pytest.mark.parametrize(
    "cell, source",
    [
        ({"source": ["a\n", "b"]}, "a\nb"),
        ({"source": "a\r\nb"}, "a\nb"),
        ({"source": None}, ""),
        ({}, ""),
        ({"source": 7}, "7"),
        ({"source": [1, None]}, "1None"),
        ({"source": "a\ud800b"}, "a?b"),
        ({"source": "a\0b"}, "a\0b"),
        ({"source": "a", "metadata": [], "id": 3, "cell_type": None}, "a"),
    ],
)
def test_read_notebook_makes_cells_reliable(cell, source):
    (read,) = read_notebook(json.dumps({"cells": [cell, 3, None]}).encode())[0]["cells"]
    assert read["source"] == source
    read["source"].encode()  # raises for a lone surrogate
    assert isinstance(read["metadata"], dict)
    assert isinstance(read["id"], str) and isinstance(read["cell_type"], str)


def test_read_notebook_takes_colabs_ids():
    cell = {"cell_type": "code", "source": "", "metadata": {"id": "exercise-f"}}
    read, _ = read_notebook(json.dumps({"cells": [cell]}).encode())
    assert read["cells"][0]["id"] == "exercise-f"


@pytest.mark.parametrize("metadata", [None, [], "x", {"cnnlab": 3}, {"cnnlab": {}}])
def test_read_notebook_bears_any_metadata(metadata, tmp_path):
    data = json.dumps(notebook(lab=None) | {"metadata": metadata})
    assert found(put(tmp_path, {"ann.ipynb": data})) == {"ann": "x = 1"}


# --- packings ---------------------------------------------------------------


def test_one_notebook(tmp_path):
    put(tmp_path, {"ann lee.ipynb": TEXT})
    (only,) = collect(tmp_path / "ann lee.ipynb")
    assert (only.student, only.problem, len(only.files)) == ("ann lee", "", 1)


def test_a_folder_of_notebooks_zips_and_folders(tmp_path):
    put(
        tmp_path,
        {
            "ann.ipynb": TEXT,
            "bob/deep/er/lab.ipynb": TEXT,
            "cem.zip": pack({"folder/lab": "no", "lab01.ipynb.txt": "no"}),
            "dan.zip": pack({"my/lab.IPYNB": TEXT}),
            "eve/work.zip": pack({"lab.ipynb": TEXT}),
            "J. Smith/lab.ipynb": TEXT,
            "J. Doe/lab.ipynb": TEXT,
            "gus/report.pdf": "no",
            "hal.txt": "I have no notebook",
            "team_1/lab.ipynb": TEXT,
        },
    )
    (tmp_path / "ida").mkdir()
    said = found(tmp_path)
    right = ["ann", "bob", "dan", "eve", "J. Smith", "J. Doe", "team_1"]
    assert [s for s, text in said.items() if text == "x = 1"] == sorted(right)
    assert "lab01.ipynb.txt: not JSON" in said["cem"]
    assert "report.pdf: a PDF, not a notebook" in said["gus"]
    assert said["ida"] == "Unreadable: an empty folder: no notebook was handed in"
    assert "hal.txt: not JSON" in said["hal"]


MOODLE = {
    "Ann Lee_11_assignsubmission_file_/lab01.ipynb": TEXT,
    "Ann Lee_22_assignsubmission_file_/renamed (1).ipynb": TEXT,
    "Müller-Ñ, Jo_33_assignsubmission_file_/sub/lab.zip": pack({"a.ipynb": TEXT}),
    "No File_55_assignsubmission_onlinetext_/onlinetext.html": "<p>hello",
    "Two Kinds_66_assignsubmission_onlinetext_/onlinetext.html": "<p>hello",
    "Two Kinds_66_assignsubmission_file_/lab.ipynb": TEXT,
}
MOODLE_FLAT = [
    "Flat File_44_assignsubmission_file_lab01.ipynb",
    "Flat File_44_assignsubmission_file_Ann Lee_11_assignsubmission_file_.ipynb",
]
CANVAS = {
    "leeann_11111_222_lab01.ipynb": TEXT,
    "roybob_LATE_33333_444_lab01-1.ipynb": TEXT,
    "leeann_55555_666_lab01.ipynb": TEXT,
    "kimcem_77777_888_work.zip": pack({"x/lab01.ipynb": TEXT}),
}


@pytest.mark.parametrize("as_zip", [False, True], ids=["folder", "zip"])
def test_moodle_download(tmp_path, as_zip):
    root = put(tmp_path / "all", MOODLE)
    if as_zip:
        root = put(tmp_path, {"all.zip": pack(MOODLE)}) / "all.zip"
    assert {s.student: s.account for s in collect(root)} == {
        "Ann Lee moodle 11": "moodle 11",
        "Ann Lee moodle 22": "moodle 22",
        "Müller-Ñ, Jo": "moodle 33",
        "No File": "moodle 55",
        "Two Kinds": "moodle 66",
    }
    said = found(root)
    assert "onlinetext.html: a web page" in said.pop("No File")
    assert set(said.values()) == {"x = 1"}


@pytest.mark.parametrize("as_zip", [False, True], ids=["folder", "zip"])
def test_canvas_download(tmp_path, as_zip):
    root = put(tmp_path / "all", CANVAS)
    if as_zip:
        root = put(tmp_path, {"all.ZIP": pack(CANVAS)}) / "all.ZIP"
    assert {s.student: s.account for s in collect(root)} == {
        "leeann canvas 11111": "canvas 11111",
        "leeann canvas 55555": "canvas 55555",
        "roybob": "canvas 33333",
        "kimcem": "canvas 77777",
    }
    assert set(found(root).values()) == {"x = 1"}


OTHERS = {  # file -> what is said of it
    "essay.docx": (b"PK\3\4", "essay.docx: a text document, not a notebook"),
    "print.pdf": (b"%PDF-1.7", "print.pdf: a PDF, not a notebook"),
    "lab.py": (b"x = 1", "lab.py: Python code, not a notebook"),
    "lab.ipynb.txt": (b"Dear teacher,", "lab.ipynb.txt: not JSON"),
    "data.json": (b"{}", "data.json: JSON, but not a notebook"),
    "page.ipynb": (b"\n<!DOCTYPE html>", "a web page under another name"),
    "print.ipynb": (b"%PDF-1.7", "a PDF under another name"),
    "lab.rar": (b"Rar!", "lab.rar: an archive that is no zip"),
    "loop.ipynb": (b"[" * 100_000, "loop.ipynb: not JSON"),
    "lab01.ipynb.txt": (TEXT.encode(), "x = 1"),
    "lab01.json": (TEXT.encode(), "x = 1"),
}


@pytest.mark.parametrize("as_zip", [False, True], ids=["folder", "zip"])
def test_each_kind_of_file_is_told_alike_from_moodle_and_canvas(tmp_path, as_zip):
    classes = {"moodle": {}, "canvas": {}, "zips": {}}
    for number, (name, (data, _)) in enumerate(OTHERS.items(), start=101):
        moodle = f"Student {number}_{number}_assignsubmission_file"
        classes["moodle"][f"{moodle}/{name}"] = data
        classes["canvas"][f"student{number}_{number}_900_{name}"] = data
        classes["zips"][f"student{number}_{number}_900_work.zip"] = pack({name: data})
    for system, files in classes.items():
        root = put(tmp_path / system, files)
        if as_zip:
            root = put(tmp_path, {f"{system}.zip": pack(files)}) / f"{system}.zip"
        said = list(found(root).values())
        assert len(said) == len(OTHERS)
        for text, (_, words) in zip(said, OTHERS.values(), strict=True):
            assert words in text
        assert len(set(said)) >= len(OTHERS) - 1


def test_other_files_beside_a_notebook_are_nobodys_business(tmp_path):
    files = {f"ann/{name}": data for name, (data, _) in OTHERS.items()}
    del files["ann/page.ipynb"], files["ann/print.ipynb"], files["ann/loop.ipynb"]
    put(tmp_path, files | {"ann/lab.ipynb": TEXT})
    (only,) = collect(tmp_path)
    assert choose(only, "lab01", IDS)[1] == []


def test_a_file_under_another_name_is_noted(tmp_path):
    put(tmp_path, {"ann/lab01.ipynb.txt": TEXT})
    assert choose(collect(tmp_path)[0], "lab01", IDS)[1] == [
        "read from lab01.ipynb.txt"
    ]


def test_the_late_mark_and_the_name_to_hand_back_by(tmp_path):
    put(tmp_path, CANVAS | MOODLE)
    found = {s.student: (s.late, s.entry) for s in collect(tmp_path / ".")}
    moodle = "Müller-Ñ, Jo_33_assignsubmission_file"
    assert found["Müller-Ñ, Jo"] == ("", moodle)
    canvas = put(tmp_path / "canvas", CANVAS)
    found = {s.student: (s.late, s.entry) for s in collect(canvas)}
    assert found["roybob"] == ("late", "roybob_LATE_33333_444")
    assert found["kimcem"] == ("", "kimcem_77777_888")


def test_numbers_in_a_plain_name_are_no_account(tmp_path):
    put(tmp_path, {"lab_01_2_ann.ipynb": TEXT, "lab_01_2_bob.ipynb": TEXT})
    assert [s.student for s in collect(tmp_path)] == ["lab_01_2_ann", "lab_01_2_bob"]
    assert [s.account for s in collect(tmp_path)] == ["", ""]


def test_files_of_operating_systems_and_editors_are_not_handed_in(tmp_path):
    junk = {
        "__MACOSX/ann/._lab.ipynb": "junk",
        ".DS_Store": "junk",
        "ann/.ipynb_checkpoints/lab-checkpoint.ipynb": TEXT,
        "ann/._lab.ipynb": "junk",
        "ann/__MACOSX/lab.ipynb": "junk",
        "ann/lab.ipynb": TEXT,
        "bob/work.zip": pack(
            {
                "__MACOSX/._lab.ipynb": "junk",
                ".ipynb_checkpoints/lab-checkpoint.ipynb": TEXT,
                "._lab.ipynb": "junk",
                "lab.ipynb": TEXT,
            }
        ),
    }
    root = put(tmp_path / "all", junk)
    put(tmp_path, {"all.zip": pack(junk)})
    for place in (root, tmp_path / "all.zip"):
        assert found(place) == {"ann": "x = 1", "bob": "x = 1"}


# --- hostile or broken packings ---------------------------------------------


def test_links_to_elsewhere_are_refused(tmp_path):
    secret = put(tmp_path / "outside", {"solution.ipynb": TEXT})
    root = put(tmp_path / "all", {"bob/lab.ipynb": TEXT, "own/real/lab.ipynb": TEXT})
    (root / "ann").mkdir()
    (root / "ann/lab.ipynb").symlink_to(secret / "solution.ipynb")
    (root / "cat").mkdir()
    (root / "cat/lab.ipynb").symlink_to("../bob/lab.ipynb")
    (root / "dan.ipynb").symlink_to(secret / "solution.ipynb")
    (root / "eve").symlink_to(secret)
    (root / "fay").mkdir()
    (root / "fay/deeper").symlink_to(secret)
    (root / "gil.ipynb").symlink_to("gil.ipynb")
    (root / "hal.ipynb").symlink_to("nowhere.ipynb")
    (root / "own/lab.ipynb").symlink_to("real/lab.ipynb")
    said = found(root)
    assert said.pop("bob") == said.pop("own") == "x = 1"
    assert set(said) == {"ann", "cat", "dan", "eve", "fay", "gil", "hal"}
    for text in said.values():
        assert text.startswith("Unreadable: ") and "a link that leads elsewhere" in text


def test_what_is_no_file(tmp_path):
    (tmp_path / "ann.ipynb").mkdir()
    (tmp_path / "bob/lab.ipynb").mkdir(parents=True)
    os.mkfifo(tmp_path / "cem.ipynb")
    said = found(tmp_path)
    assert "an empty folder" in said["ann.ipynb"]
    assert "lab.ipynb is a folder, not a notebook" in said["bob"]
    assert "cem.ipynb: not a regular file" in said["cem"]


def test_a_file_of_200_mb_is_not_read(tmp_path):
    with (tmp_path / "ann.ipynb").open("wb") as file:
        file.truncate(200 << 20)
    assert found(tmp_path)["ann"] == (
        "Unreadable: ann.ipynb: 200 MB; at most 25 MB is read"
    )


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    zeros = io.BytesIO()
    with zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("lab.ipynb", "w") as file:
            for _ in range(40):
                file.write(bytes(1 << 20))
    data = zeros.getvalue()
    assert len(data) < 1 << 20
    true_size, small = (n.to_bytes(4, "little") for n in (40 << 20, 1000))
    put(tmp_path, {"ann.zip": data, "bob.zip": data.replace(true_size, small)})
    said = found(tmp_path)
    assert "40 MB; at most 25 MB" in said["ann"]
    assert said["bob"].startswith("Unreadable: ")


def broken_zip() -> bytes:
    data = bytearray(pack({"lab.ipynb": TEXT}))
    data[40:60] = b"\xff" * 20
    return bytes(data)


def deflated_garbage() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("lab.ipynb", TEXT * 9)
    data = bytearray(file.getvalue())
    data[45:70] = b"\xff" * 25
    return bytes(data)


def encrypted() -> bytes:
    data = bytearray(pack({"lab.ipynb": TEXT}))
    data[6] |= 1  # the bits that say so, here and in the directory
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


def unknown_compression() -> bytes:
    data = bytearray(pack({"lab.ipynb": TEXT}))
    data[8] = data[data.index(b"PK\1\2") + 10] = 97
    return bytes(data)


def version_99() -> bytes:
    data = bytearray(pack({"lab.ipynb": TEXT}))
    data[data.index(b"PK\1\2") + 6] = 99
    return bytes(data)


def bad_name() -> bytes:
    data = bytearray(pack({"lab.ipynb": TEXT}))
    directory = data.index(b"PK\1\2")
    data[directory + 9] |= 8  # the name is UTF-8, it says
    data[directory + 46] = 0xFF
    return bytes(data)


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "File is not a zip file"),
        (b"no zip", "File is not a zip file"),
        (
            pack({"inner.zip": pack({"a.ipynb": TEXT})}),
            "a zip inside a zip",
        ),
        (pack({"readme.md": "x"}), "readme.md: not JSON"),
        (pack({}), "ann.zip is an empty zip"),
        (version_99(), "ann.zip: zip file version 9.9"),
        (bad_name(), "ann.zip: 'utf-8' codec can't decode"),
        (pack({"lab.ipynb": TEXT})[:-30], "not a zip file"),
        (broken_zip(), "lab.ipynb: "),
        (deflated_garbage(), "lab.ipynb: "),
        (encrypted(), "encrypted"),
        (unknown_compression(), "compression"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_broken_zip_is_unreadable(tmp_path, data, words):
    put(tmp_path, {"ann.zip": data, "bob.ipynb": TEXT})
    said = found(tmp_path)
    assert said["ann"].startswith("Unreadable: ") and words in said["ann"]
    assert said["bob"] == "x = 1"


def test_names_that_climb_are_only_names(tmp_path):
    before = set(tmp_path.parent.rglob("*"))
    names = ["../../evil.ipynb", "/etc/evil.ipynb", "..\\evil.ipynb", "\x1b[2Jx.ipynb"]
    for number, name in enumerate(names):
        put(tmp_path, {f"s{number}.zip": pack({name: TEXT})})
    assert set(found(tmp_path).values()) == {"x = 1"}
    assert {p.name for p in set(tmp_path.parent.rglob("*")) - before} == {
        "s0.zip",
        "s1.zip",
        "s2.zip",
        "s3.zip",
    }


def test_names_are_fit_to_be_shown(tmp_path):
    put(tmp_path, {"a\nb\x1b[2J.ipynb": TEXT})
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.ipynb")).write_text(TEXT)
    for submission in collect(tmp_path):
        for text in (submission.student, submission.path):
            assert text.isprintable()
            text.encode()
    assert set(found(tmp_path).values()) == {"x = 1"}


ALIKE = ["a b", "a\u00a0b", r"a\xa0b", "a\x01", "a\x02", "a?", r"a\x01", "A b", "=a"]
ALIKE += ["'=a", "zo\xeb", "zoe\u0308", r"zo\xeb", "ann moodle 7", "a" * 99, r"a\\xa0b"]
ALIKE += ["Ann_7_assignsubmission_file_", "ann_7_assignsubmission_file_"]


@pytest.mark.parametrize("as_zip", [False, True], ids=["folder", "zip"])
def test_names_that_look_alike_stay_apart(tmp_path, as_zip):
    files = {f"{name}/lab.ipynb": TEXT for name in ALIKE}
    root = put(tmp_path / "all", files)
    if as_zip:
        root = put(tmp_path, {"all.zip": pack(files)}) / "all.zip"
    handed_in = collect(root)
    for names in ({s.path for s in handed_in}, {s.student for s in handed_in}):
        assert len(names) == len(handed_in) == len(ALIKE)
        assert all(name.isprintable() for name in names)
    looks = {unicodedata.normalize("NFKC", s.student) for s in handed_in}
    assert len(looks) == len(ALIKE)


def test_a_name_does_not_depend_on_who_else_claims_it(tmp_path):
    put(tmp_path, {"a\x01/lab.ipynb": TEXT})
    alone = collect(tmp_path)[0].path
    put(tmp_path, {r"a\x01/lab.ipynb": TEXT, "a?/lab.ipynb": TEXT})
    assert alone in {s.path for s in collect(tmp_path)}


@pytest.mark.parametrize("name", MOODLE_FLAT)
def test_no_file_name_claims_the_account_of_another(tmp_path, name):
    put(tmp_path, {name: TEXT})
    assert [s.account for s in collect(tmp_path)] == ["moodle 44"]
    put(tmp_path, {"Ann Lee_11_assignsubmission_file/lab.ipynb": TEXT})
    accounts = {s.student: s.account for s in collect(tmp_path)}
    assert set(accounts.values()) == {"moodle 11", ""}


def test_a_zip_full_of_notebooks_needs_a_person(tmp_path):
    many = {f"{n}.ipynb": TEXT for n in range(1000)}
    put(tmp_path, {"ann.zip": pack(many)})
    (only,) = collect(tmp_path)
    assert len(only.files) <= submissions.FILES_LIMIT + 1
    assert found(tmp_path)["ann"].startswith("Unclear: ")


@pytest.mark.parametrize("name, data", [("x.zip", b"no"), ("x.zip", b"")])
def test_a_broken_zip_of_the_class_is_an_error(tmp_path, name, data):
    with pytest.raises(ValueError, match="not a zip that can be read"):
        collect(put(tmp_path, {name: data}) / name)


def test_nothing_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        collect(tmp_path / "nothing")


def test_an_empty_folder_is_no_submission(tmp_path):
    assert collect(tmp_path) == []


# --- which notebook ---------------------------------------------------------


def variants(**files) -> dict:
    return {f"ann/{name}.ipynb": json.dumps(content) for name, content in files.items()}


@pytest.mark.parametrize(
    "files, said",
    [
        (variants(a=notebook("right"), b=notebook("other", lab="lab02")), "right"),
        (variants(a=notebook("right", lab=None), b=notebook("no", lab="x")), "right"),
        (variants(a=notebook("right"), b=notebook("no", lab=None)), "right"),
        (variants(a=notebook("same"), b=notebook("same")), "same"),
        (
            variants(a=notebook("one"), b=notebook("two")),
            "Unclear: 2 different notebooks of this lab: a.ipynb, b.ipynb",
        ),
        (
            variants(a=notebook(lab="lab02")),
            "Unclear: this is not lab01: it says lab02",
        ),
        (
            variants(a=notebook(lab=None, cell_id="zzz")),
            "Unclear: this is not lab01: no cell of it is known",
        ),
        (variants(a=notebook(lab=["lab01"], cell_id="exercise-f")), "x = 1"),
        (variants(a=notebook(lab="\x1b" * 999)), "Unclear: this is not lab01: it says"),
    ],
)
def test_choose_takes_the_notebook_of_this_lab(tmp_path, files, said):
    assert found(put(tmp_path, files))["ann"].startswith(said)


def test_choose_ignores_differences_that_mean_nothing(tmp_path):
    other = notebook()
    other["cells"][0] |= {"execution_count": 7, "metadata": {"collapsed": True}}
    put(tmp_path, variants(a=notebook(), b=other))
    assert found(tmp_path)["ann"] == "x = 1"


def test_choose_notes_what_could_not_be_read(tmp_path):
    put(tmp_path, {"ann/a.ipynb": TEXT, "ann/b.ipynb": "junk"})
    (only,) = collect(tmp_path)
    notes = choose(only, "lab01", IDS)[1]
    assert len(notes) == 1 and notes[0].startswith("b.ipynb: not JSON")
