"""The student's answers and helpers in our notebook, whatever became of the cells."""

import copy
import time
from pathlib import Path

import pytest

from cnnlab.grading.handin.forbidden import find_forbidden
from cnnlab.grading.handin.notebooks import read_notebook
from cnnlab.grading.handin.rebuild import LEFT_OUT, graft
from cnnlab.teaching import source as labs

TINY = labs.read(Path(__file__).parent / "labs" / "lab00_tiny.py")
RIGHT = "def output_size(n, k, s=1):\n    return (n - k) // s + 1"
SLIDE = (
    "def correlate(x, kernel):\n"
    "    n = output_size(len(x), len(kernel))\n"
    "    return np.array([x[i : i + len(kernel)] @ kernel for i in range(n)])"
)


def handed_in(**answers) -> list[dict]:
    """The cells of a student's notebook with answers to these exercises."""
    cells = [dict(c) for c in copy.deepcopy(labs.student(TINY)).cells]
    for cell in cells:
        name = cell["metadata"].get("cnnlab", {}).get("name")
        if name in answers and cell["id"].split("-")[0] in ("exercise", "question"):
            cell["source"] = answers[name]
    return cells


@pytest.fixture
def cells():
    return handed_in(output_size=RIGHT, correlate=SLIDE, why_floor="Because.")


def code(source, cell_id="x", **metadata) -> dict:
    return {"cell_type": "code", "id": cell_id, "source": source, "metadata": metadata}


def text(source) -> dict:
    return code(source) | {"cell_type": "markdown"}


def find(cells, cell_id: str) -> int:
    return [c["id"] for c in cells].index(cell_id)


SIZE, CORRELATE, WHY = (
    "exercise-output_size",
    "exercise-correlate",
    "question-why_floor",
)


def steps_of(cells) -> list:
    return graft(TINY, {"cells": cells, "metadata": {}})


def answers(cells) -> dict[str, list[str]]:
    """What is run for every exercise and question that counts as attempted."""
    found: dict[str, list[str]] = {}
    for step in steps_of(cells):
        if step.kind in ("exercise", "question") and step.attempted:
            found.setdefault(step.cell.name, []).append(step.source)
    return found


def helpers(cells) -> list[str]:
    return [s.source for s in steps_of(cells) if s.kind == "helper"]


def order(cells) -> list[str]:
    """Ids of our cells and sources of helpers, as they are run."""
    return [s.cell.id if s.cell else s.source for s in steps_of(cells)]


WHOLE = {"output_size": [RIGHT], "correlate": [SLIDE], "why_floor": ["Because."]}
OURS = [c.id for c in TINY.cells]


def test_an_ordinary_notebook(cells):
    assert answers(cells) == WHOLE
    assert order(cells) == OURS


def test_an_untouched_notebook_attempts_nothing():
    assert answers(handed_in()) == {}
    stubs = [s.source for s in steps_of(handed_in()) if s.kind == "exercise"]
    assert all("NotImplementedError" in stub for stub in stubs)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s + "\n# my comment",
        lambda s: "\n\n" + s.replace("    ", "  "),
        lambda s: "%%time\n" + s,
        lambda s: "",
        lambda s: "# nothing yet",
    ],
)
def test_comments_and_white_space_are_no_attempt(change):
    cells = handed_in()
    cell = cells[find(cells, SIZE)]
    cell["source"] = change(cell["source"])
    assert answers(cells) == {}


def test_our_cells_are_ours_whatever_the_copy_says(cells):
    for cell in cells:
        if cell["id"].split("-")[0] in ("code", "check", "text"):
            cell["source"] = "print('edited')"
    for step in steps_of(cells):
        assert "edited" not in step.source
    assert order(cells) == OURS


def test_deleted_and_duplicated_cells_of_ours_change_nothing(cells):
    kept = [c for c in cells if c["id"].split("-")[0] in ("exercise", "question")]
    assert answers(kept) == WHOLE
    assert order(kept) == OURS
    assert order(cells + cells) == OURS[:4] + OURS[3:7] + OURS[6:]  # two answers each
    twice = [
        c for cell in cells for c in ([cell, cell] if cell not in kept else [cell])
    ]
    assert order(twice) == OURS


def test_added_checks_probes_and_points_change_nothing(cells):
    cells[find(cells, SIZE)]["metadata"] |= {"nbgrader": {"points": 1000}, "cnnlab": 3}
    cells.append(code("1", "y", cnnlab={"kind": "probe", "name": "output_size"}))
    cells.append(code("2", "probe-output_size-1"))
    probes = [s.source for s in steps_of(cells) if s.kind == "probe"]
    assert probes == [c.source for c in TINY.of_kind("probe")]
    assert answers(cells) == WHOLE


def test_moved_answers_are_put_back(cells):
    cells.append(cells.pop(find(cells, SIZE)))
    cells.insert(0, cells.pop(find(cells, CORRELATE)))
    assert answers(cells) == WHOLE
    assert order(cells) == OURS


def test_an_answer_found_by_its_name_when_ids_are_new(cells):
    for number, cell in enumerate(cells):
        cell["id"] = f"new{number}"
    assert answers(cells) == WHOLE
    assert order(cells) == OURS


def strip(cells) -> list[dict]:
    return [c | {"id": f"new{n}", "metadata": {}} for n, c in enumerate(cells)]


def test_an_answer_found_by_what_it_defines_when_metadata_is_gone(cells):
    cells[find(cells, WHY)]["source"] = "Why is the size rounded down?\n\nBecause."
    bare = answers(strip(cells))
    assert bare["output_size"] == [RIGHT] and bare["correlate"] == [SLIDE]
    assert bare["why_floor"] == ["Why is the size rounded down?\n\nBecause."]
    assert order(strip(cells)) == OURS


def test_an_untouched_notebook_without_metadata_attempts_nothing():
    assert answers(strip(handed_in())) == {}


def test_edited_given_cells_without_ids_are_still_ours(cells):
    given = find(cells, "code-1")
    cells[given]["source"] = cells[given]["source"].replace(
        "budget = 3", "budget = 999"
    )
    check = find(cells, "check-output_size-1")
    cells[check]["source"] = cells[check]["source"].replace("24", "0")
    assert order(strip(cells)) == OURS


def test_a_split_answer_runs_in_its_order(cells):
    at = find(cells, CORRELATE)
    cells[at]["source"] = "def window(x, i, k):\n    return x[i : i + k]"
    rest = "def correlate(x, kernel):\n    return window(x, 0, 1)"
    cells.insert(at + 1, code(rest))
    assert answers(cells)["correlate"] == [
        "def window(x, i, k):\n    return x[i : i + k]"
    ]
    run = order(cells)
    assert run.index(CORRELATE) + 1 == run.index(rest)


def test_a_split_answer_whose_second_half_kept_the_id(cells):
    at = find(cells, CORRELATE)
    cells.insert(at, code("half = 0.5"))
    run = order(cells)
    assert run.index("check-output_size-1") < run.index("half = 0.5")
    assert run.index("half = 0.5") < run.index(CORRELATE)


def test_a_split_answer_with_copied_metadata(cells):
    at = find(cells, CORRELATE)
    cells[at]["source"] = "a = 1"
    cells.insert(at + 1, code("b = 2", "z", **cells[at]["metadata"]))
    assert answers(cells)["correlate"] == ["a = 1", "b = 2"]


def test_duplicated_answers_run_in_their_order_and_stubs_are_dropped(cells):
    stub = handed_in()
    cells.insert(0, stub[find(stub, SIZE)])
    second = RIGHT.replace("//", "/")
    cells.append(code(second, SIZE))
    assert answers(cells)["output_size"] == [RIGHT, second]


def test_merged_answers_serve_both_exercises(cells):
    first, second = find(cells, SIZE), find(cells, CORRELATE)
    cells[first]["source"] = both = f"{RIGHT}\n\n{SLIDE}"
    del cells[second]
    assert answers(cells) == WHOLE | {"output_size": [both], "correlate": [both]}
    assert order(cells) == OURS


def test_an_answer_merged_into_a_given_cell(cells):
    given, at = find(cells, "code-1"), find(cells, SIZE)
    merged = f"{cells[given]['source']}\n\n{RIGHT}"
    cells[given]["source"] = merged
    del cells[at]
    assert answers(cells)["output_size"] == [merged]
    assert [s.source for s in steps_of(cells)][1] == TINY.cells[1].source


def test_merged_stubs_are_no_attempt():
    cells = handed_in()
    first, second = find(cells, SIZE), find(cells, CORRELATE)
    cells[first]["source"] += "\n\n" + cells.pop(second)["source"]
    assert "correlate" not in answers(cells)


def test_a_deleted_answer_costs_itself_only(cells):
    del cells[find(cells, SIZE)]
    found = answers(cells)
    assert "output_size" not in found and found["correlate"] == [SLIDE]
    assert order(cells) == OURS


@pytest.mark.parametrize("cell_type", ["markdown", "raw", "", "heading"])
@pytest.mark.parametrize(
    "form", ["{}", "```python\n{}\n```", "Here:\n\n``` \n{}\n```\nDone.\n"]
)
def test_an_answer_turned_to_text_is_code_again(cells, cell_type, form):
    if form == "{}" or cell_type == "markdown":
        cell = cells[find(cells, SIZE)]
        cell |= {"cell_type": cell_type, "source": form.format(RIGHT)}
        assert [a.strip() for a in answers(cells)["output_size"]] == [RIGHT]


def test_helpers_stay_where_they_stand(cells):
    at = find(cells, CORRELATE)
    cells.insert(at + 1, code("after = 1"))
    cells.insert(at, code("before_it = 1"))
    cells.insert(0, code("top = 1"))
    cells.append(code("end = 1"))
    run = order(cells)
    assert run[0] == "top = 1" and run[-1] == "end = 1"
    assert run.index("before_it = 1") < run.index(CORRELATE) < run.index("after = 1")
    assert run.index("before_it = 1") > run.index("check-output_size-1")
    assert [r for r in run if "=" not in r] == OURS


def test_a_helper_goes_with_the_answer_it_was_moved_with(cells):
    answer = cells.pop(find(cells, SIZE))
    cells += [code("helper = 1"), answer, code("trial = 1")]
    run = order(cells)
    assert run.index("helper = 1") + 1 == run.index(SIZE)
    assert run[-1] == "trial = 1"


def test_empty_cells_and_notes_are_left_out(cells):
    cells.insert(3, code("  \n"))
    cells.insert(3, text("# My notes"))
    cells.insert(3, code("# raw") | {"cell_type": "raw"})
    assert order(cells) == OURS


def test_a_function_in_a_helper_answers_an_untouched_exercise():
    cells = handed_in(correlate=SLIDE)
    cells.append(code(RIGHT))
    assert answers(cells) == {"output_size": [RIGHT], "correlate": [SLIDE]}
    assert order(cells) == OURS


def test_a_solved_notebook_runs_as_our_own():
    cells = [dict(c) for c in labs.solved(TINY).cells]
    assert order(cells) == OURS
    assert len(answers(cells)) == 3


# --- written answers ---------------------------------------------------------


@pytest.mark.parametrize("source", ["", "  \n", None])
def test_an_untouched_question_is_empty(source):
    cells = handed_in()
    cell = cells[find(cells, WHY)]
    cell["source"] = cell["source"] + " \n" if source is None else source
    assert answers(cells) == {}


def test_a_written_answer_keeps_its_code_and_headings(cells):
    written = "# Why\nSee\n```python\nx = 1\n```\nso it is."
    cells[find(cells, WHY)]["source"] = written
    assert answers(cells)["why_floor"] == [written]


def test_a_written_answer_in_a_cell_of_its_own_is_not_lost():
    cells = handed_in()
    at = find(cells, WHY)
    cells[at + 1 : at + 1] = [text("My answer."), code("x = 1"), text("And more.")]
    assert answers(cells) == {"why_floor": ["My answer.\n\nAnd more."]}
    assert helpers(cells) == ["x = 1"]


def test_a_written_answer_in_a_code_cell(cells):
    cells[find(cells, WHY)] |= {"cell_type": "code", "source": "It is so: floor!"}
    assert answers(cells)["why_floor"] == ["It is so: floor!"]


# --- what may not be used ----------------------------------------------------


def used(cells) -> list[str]:
    return find_forbidden(steps_of(cells))["correlate"]


CHEAT = "def correlate(x, kernel):\n    return {}(x, kernel, 'valid')"


@pytest.mark.parametrize(
    "answer, helper",
    [
        (CHEAT.format("np.correlate"), ""),
        (CHEAT.format("slide"), "def slide(*a):\n    return np.correlate(*a)"),
        (CHEAT.format("slide"), "slide = np.correlate"),
        (CHEAT.format("slide"), "from numpy import correlate as slide"),
        (CHEAT.format("slide"), "if True:\n    slide = np.correlate"),
        (CHEAT.format("slide"), "%time slide = np.correlate"),
        (CHEAT.format("one"), "two = np.correlate\none = lambda *a: two(*a)"),
        (CHEAT.format("n.correlate"), "import numpy as n"),
        (CHEAT.format("convolve"), "from numpy import *"),
        (CHEAT.format("s.correlate"), "import scipy.signal as s"),
        (CHEAT.format("np.correlate"), "def never():\n    import math as np"),
        ("%%time\n" + CHEAT.format("np.correlate"), ""),
        ("!ls\n" + CHEAT.format("np.correlate"), ""),
        ("x = 1", CHEAT.format("np.correlate")),
        ("x = 1", "from scipy.signal import correlate"),
        (SLIDE + "\n" + CHEAT.format("eval('np.corr' + 'elate')"), ""),
        (SLIDE + "\n#" + "x" * 60_000, ""),
    ],
)
def test_forbidden_names_are_seen(cells, answer, helper):
    cells[find(cells, CORRELATE)]["source"] = answer
    cells.insert(find(cells, CORRELATE), code(helper))
    assert used(cells)


def test_forbidden_names_hidden_in_another_answer(cells):
    cells[find(cells, SIZE)]["source"] = RIGHT + "\nslide = np.correlate"
    cells[find(cells, CORRELATE)]["source"] = CHEAT.format("slide")
    assert used(cells) == ["np.correlate"]


@pytest.mark.parametrize(
    "helper",
    [
        "import numpy as np\nprint(vars())\ngetattr(np, 'ones')",
        "import numpy as np\nnp.convolve([1], [1])",
        "from cnnlab import train\ntrain.verbose = 1\nimport numpy as np",
    ],
)
def test_what_else_stands_in_the_cell_of_an_import_is_not_the_answers(cells, helper):
    cells[find(cells, CORRELATE)]["source"] = SLIDE
    cells.insert(find(cells, CORRELATE), code(helper))
    assert used(cells) == []


def test_names_that_stand_for_many_others_are_not_followed(cells):
    chain = [f"a = b.u{i}\nb = c.v{i}\nc = d.w{i}" for i in range(400)]
    cells.insert(0, code("\n".join(chain)))
    cells[find(cells, CORRELATE)]["source"] = SLIDE + "\n    a.z = 1"
    assert used(cells) == ["globals"]  # minutes and gigabytes, if it followed them all


def test_what_is_not_forbidden(cells):
    # another exercise may use it, a helper that is not called may, a comment may
    cells[find(cells, SIZE)]["source"] = RIGHT + "\n    np.convolve([1], [1])"
    cells[find(cells, CORRELATE)]["source"] = SLIDE + "\n# not np.convolve, nor scipy"
    cells.append(code("print(np.convolve([1], [2]), correlate([1], [1]))"))
    cells.append(
        code("from cnnlab import data\nx = data.load(1)\nx.flag = 1\nsetattr()")
    )
    assert used(cells) == []


def test_nothing_is_forbidden_where_nothing_is_answered():
    assert used(handed_in()) == []


# --- no notebook breaks it ---------------------------------------------------


@pytest.mark.parametrize(
    "source",
    ["def f(:", "x = '\0'", "(" * 3000, "-" * 30_000 + "1", "1+" * 20_000 + "1"]
    + ["# coding: nonsense\nx", "\x0c\n\ty", "%%bash\nrm -rf x", "é = 'ü'", "`" * 9999],
    ids=lambda s: repr(s[:12]),
)
def test_any_source_can_be_grafted(cells, source):
    for cell_id in (SIZE, CORRELATE, WHY):
        cells[find(cells, cell_id)]["source"] = source
    cells.insert(2, code(source))
    steps = steps_of(cells)
    assert [s.attempted for s in steps if s.kind == "exercise"] == [True, True]
    assert isinstance(find_forbidden(steps)["correlate"], list)


def test_a_huge_notebook_is_grafted_in_little_time():
    given = TINY.cells[1].source
    many = [code(f"{given}\nx{n} = {n}", f"n{n}") for n in range(400)]
    start = time.process_time()
    steps = steps_of(many)
    assert time.process_time() - start < 20
    assert len([s for s in steps if s.kind == "helper"]) == 399


@pytest.mark.parametrize(
    ("mine", "count"),
    [
        ("x = np.ones(3)", 2),
        ("def f(thirds):\n    return thirds", 2),  # a name of its own
        ("def f():\n    return noisy", 1),
        ("print(smooth)", 0),  # which is made of the other
        ("print(noisy" + "(" * 3000, 2),  # no Python: runs nothing
    ],
)
def test_what_earns_nothing_is_left_out_unless_the_student_takes_from_it(
    cells, mine, count
):
    for changed in (
        [*cells, code(mine)],
        handed_in(output_size=mine),
        [*handed_in(correlate=mine), code(SLIDE)],
    ):
        kinds = [s.kind for s in steps_of(changed)]
        assert kinds.count(LEFT_OUT) == count
        assert len(kinds) >= len(OURS)  # it is still shown


def test_cells_without_anything_of_ours(cells):
    assert answers([]) == {}
    assert order([]) == OURS
    assert answers(read_notebook(b'{"cells": [{}, {"source": 3}]}')[0]["cells"]) == {}


def test_an_answer_below_the_question_in_its_locked_cell_is_found(cells):
    cells = [c for c in cells if c["id"] != WHY]
    prompt = cells[find(cells, "prompt-why_floor")]
    prompt["source"] += "\n\nBecause a window must fit."
    assert answers(cells)["why_floor"] == ["Because a window must fit."]
    for cell in cells:
        cell["id"], cell["metadata"] = "lost", {}
    assert answers(cells)["why_floor"] == ["Because a window must fit."]


def test_a_question_copied_above_its_answer_is_left_out(cells):
    asked = cells[find(cells, "prompt-why_floor")]["source"]
    answer = cells[find(cells, WHY)]
    answer["source"] = f"{asked}\n\nBecause a window must fit."
    assert answers(cells)["why_floor"] == ["Because a window must fit."]
    answer["source"] = f"{asked}\n\n"
    assert "why_floor" not in answers(cells)


def test_answers_are_found_below_their_questions_without_ids(cells):
    for cell in cells:
        cell["id"], cell["metadata"] = "lost", {}
    assert answers(cells)["why_floor"] == ["Because."]


def test_answers_of_a_real_lab_are_found_by_their_text_alone():
    """A copy pasted cell by cell: no id, no metadata, nothing but what is written."""
    path = Path(__file__).parent.parent / "solutions" / "lab04_lenet_mnist.py"
    lab = labs.read(path)
    answers = {c.id: c.source for c in lab.of_kind("exercise")}
    answers |= {c.id: f"Because of {c.name}." for c in lab.of_kind("question")}
    cells = [
        {"cell_type": c.cell_type, "id": "", "metadata": {}}
        | {"source": answers.get(c.id, c.source)}
        for c in labs.student(lab).cells
    ]
    steps = graft(lab, {"cells": cells})
    found = {s.cell.id: s.source for s in steps if s.cell and s.cell.id in answers}
    assert found == answers
    assert not [s for s in steps if s.kind == "helper"]
