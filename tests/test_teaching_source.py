"""A lab source in, two notebooks out: the same every time, and nothing leaks."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from cnnlab.teaching import source as labs
from cnnlab.teaching.source import LabError

TINY = Path(__file__).parent / "labs" / "lab00_tiny.py"
WHOLE = '''\
# %% exercise="f" points=2
def f(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% check="f"
@check
def doubles():
    equal(f(1), 2, "f(1)")

# %% probe="f"
f(seed)

# %% holdout="digits"
x_secret, y_secret = [1], [2]

# %% probe="f" compare="accuracy" holdout="digits"
f(x_secret)

# %% [markdown] question="why" points=1
# Why?
# ### BEGIN SOLUTION
# The rubric.
# ### END SOLUTION
'''


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "lab99_made.py"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="module")
def tiny():
    return labs.read(TINY)


def test_read_tells_what_the_source_says(tiny):
    assert tiny.name == "lab00_tiny"
    assert tiny.title == "A tiny lab"
    assert tiny.points == {"output_size": 4, "correlate": 6}
    assert tiny.written_points == {"why_floor": 2}
    assert [c.kind for c in tiny.cells] == (
        "text code text exercise check probe exercise check probe probe code code code "
        "prompt question"
    ).split()
    assert [c.is_graded for c in tiny.of_kind("code")] == [True, True, False, False]
    exercise = tiny.of_kind("exercise")[1]
    assert exercise.options["forbid"] == ["np.convolve", "np.correlate", "scipy"]
    assert exercise.line == 1 + TINY.read_text().split("\n").index(
        '# %% exercise="correlate" points=6 forbid=["np.convolve", "np.correlate", '
        '"scipy"]'
    )


def test_read_gives_every_cell_an_id_of_its_own(tiny):
    ids = [c.id for c in tiny.cells]
    assert len(set(ids)) == len(ids)
    assert {"exercise-output_size", "check-output_size-1", "probe-correlate-2"} <= {
        *ids
    }
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", i) for i in ids)


WRONG = {
    "text before the first header": ("import numpy\n" + WHOLE, 1, "under a header"),
    "unknown option": (WHOLE.replace("points=2", "point=2"), 1, "unknown option 'poi"),
    "unknown kind": (WHOLE.replace("check=", "chek="), 8, "unknown option 'chek'"),
    "header cannot be read": (WHOLE.replace("points=2", "points=two"), 1, "points=two"),
    "quotes forgotten": (WHOLE.replace('"f" points', "f points"), 1, "exercise=f"),
    "raw cell": (WHOLE + "\n# %% [raw]\nx\n", 28, "[raw]"),
    "two kinds": (WHOLE.replace('check="f"', 'check="f" probe="f"'), 8, "not several"),
    "bad name": (WHOLE.replace('exercise="f"', 'exercise="f g"'), 1, "'f g'"),
    "accent in a name": (WHOLE.replace('="why"', '="porqué"'), 22, "porqué"),
    "name too long": (WHOLE.replace('="why"', f'="{"w" * 41}"'), 22, "at most 40"),
    "no points": (WHOLE.replace(" points=2", ""), 1, "has no points"),
    "zero points": (WHOLE.replace("points=2", "points=0"), 1, "has no points"),
    "negative points": (WHOLE.replace("points=2", "points=-2"), 1, "value for points"),
    "endless points": (
        WHOLE.replace("points=2", "points=1e999"),
        1,
        "value for points",
    ),
    "points in words": (WHOLE.replace("points=2", 'points="2"'), 1, "value for points"),
    "true points": (WHOLE.replace("points=2", "points=true"), 1, "points"),
    "question without points": (WHOLE.replace(" points=1", ""), 22, "has no points"),
    "zero weight": (WHOLE.replace('probe="f"\n', 'probe="f" weight=0\n'), 13, "weight"),
    "negative weight": (
        WHOLE.replace('probe="f"\n', 'probe="f" weight=-1\n'),
        13,
        "bad value for weight",
    ),
    "probe without its seed": (
        WHOLE.replace('probe="f"\n', 'probe="f"\nx = np.random.default_rng()\n'),
        13,
        "makes a generator without a seed, in its line 1",
    ),
    "essential without words": (
        WHOLE.replace('probe="f"\n', 'probe="f" essential=true\n'),
        13,
        "bad value for essential",
    ),
    "essential in no words": (
        WHOLE.replace('probe="f"\n', 'probe="f" essential=[1]\n'),
        13,
        "bad value for essential",
    ),
    "unknown rule": (WHOLE.replace('"accuracy"', '"best"'), 19, "compare='best'"),
    "forbid is no list": (
        WHOLE.replace("points=2", 'points=2 forbid="np"'),
        1,
        "value for forbid",
    ),
    "option of another kind": (
        WHOLE.replace('check="f"', 'check="f" weight=2'),
        8,
        "unknown option 'weight' for check",
    ),
    "accuracy without holdout": (
        WHOLE.replace(' holdout="digits"\nf', "\nf"),
        19,
        "go together",
    ),
    "holdout without accuracy": (
        WHOLE.replace('"accuracy"', '"equal"'),
        19,
        "together",
    ),
    "unknown holdout": (
        WHOLE.replace('accuracy" holdout="digits"', 'accuracy" holdout="x"'),
        19,
        "has no holdout 'x' above",
    ),
    "holdout below its probe": (
        WHOLE.replace('# %% probe="f"\nf(seed)\n', "").replace(
            '# %% holdout="digits"\nx_secret, y_secret = [1], [2]\n', ""
        )
        + '\n# %% holdout="digits"\nx_secret, y_secret = [1], [2]\n',
        15,
        "has no holdout 'digits' above",
    ),
    "holdout sets nothing": (WHOLE.replace("y_secret =", "y ="), 16, "x_secret and y"),
    "duplicate exercise": (WHOLE + "\n" + WHOLE[:120], 28, "stands already at line 1"),
    "duplicate question": (
        WHOLE + WHOLE[WHOLE.index("# %% [mark") :],
        27,
        "stands already at line 22",
    ),
    "exercise without check": (WHOLE.replace('check="f"', ""), 1, "has no check"),
    "exercise without probe": (WHOLE[: WHOLE.index("# %% probe")], 1, "has no probe"),
    "probe without exercise": (
        WHOLE.replace('probe="f"\n', 'probe="g"\n'),
        13,
        "has no exercise 'g' above",
    ),
    "check above its exercise": (
        '# %% check="f"\nx = 1\n' + WHOLE,
        1,
        "has no exercise 'f' above",
    ),
    "no region": (re.sub(".*###.*\n", "", WHOLE, count=2), 1, "Found 0 and 0"),
    "region not closed": (
        WHOLE.replace("    ### END SOLUTION\n", "", 1),
        1,
        "Found 1 and 0",
    ),
    "regions crossed": (
        WHOLE.replace("### BEGIN", "### X").replace("### END", "### BEGIN"),
        1,
        "Found 1 and 0",
    ),
    "marker behind code": (
        WHOLE.replace("    ### BEGIN", "    x = 1 ### BEGIN"),
        1,
        "each alone on a line",
    ),
    "region in given code": (
        WHOLE + "\n# %%\n### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n",
        28,
        "in no exercise",
    ),
    "question in code": (
        WHOLE.replace('[markdown] question="why"', 'question="why"'),
        22,
        "must be a [markdown] cell",
    ),
    "exercise in text": (
        WHOLE.replace('exercise="f"', '[markdown] exercise="f"'),
        1,
        "must be a code cell",
    ),
    "probe without a value": (
        WHOLE.replace("f(seed)", "x = f(seed)"),
        13,
        "expression",
    ),
    "empty probe": (WHOLE.replace("f(seed)\n", ""), 13, "expression"),
    "needed, but tagged not-graded": (
        '# %% tags=["not-graded"]\nscale, other = 2, 3\n'
        + WHOLE.replace("f(seed)", "f(seed) * scale"),
        1,
        "a graded cell below takes scale from it",
    ),
    "an answer tagged not-graded": (
        WHOLE.replace('exercise="f"', 'exercise="f" tags=["not-graded"]'),
        1,
        "only given code can be not-graded",
    ),
    "a probe that needs a check": (
        WHOLE.replace("f(seed)", "f(seed) * scale").replace(
            '# %% probe="f"', '# %% check="f"\nscale = 2\n\n# %% probe="f"'
        ),
        13,
        "a check is not run where an answer is right, but a cell below takes scale",
    ),
    "a probe whose variable hides what a check defines": (
        WHOLE.replace(
            '# %% probe="f"\nf(seed)',
            '# %% check="f"\nscale = 2\n\n# %% probe="f"\nscale = 1\nf(seed)',
        )
        + "\n# %%\ntwice = scale\n",
        13,
        "a cell below takes scale",
    ),
    "probe that is no Python": (WHOLE.replace("f(seed)", "f(seed"), 13, "is no Python"),
}


@pytest.mark.parametrize("text, line, words", WRONG.values(), ids=WRONG.keys())
def test_read_names_file_line_and_mistake(write, text, line, words):
    with pytest.raises(LabError) as error:
        labs.read(write(text))
    assert re.search(rf"lab99_made\.py:{line}: ", str(error.value)), error.value
    assert words in str(error.value)


def test_read_takes_what_those_were_made_of(write):
    made = labs.read(write(WHOLE))
    assert [c.kind for c in made.cells] == (
        "exercise check probe holdout probe prompt question".split()
    )


def test_read_says_what_a_lab_file_looks_like(tmp_path):
    with pytest.raises(LabError, match=r"no such lab source.*lab04"):
        labs.read(tmp_path / "nothing.py")


def test_build_gives_the_same_bytes_every_time(tmp_path):
    first, second = labs.build(TINY, tmp_path), labs.build(TINY, tmp_path)
    assert first == second
    assert set(first) == {
        tmp_path / "lab00_tiny.ipynb",
        TINY.with_suffix(".ipynb"),
    }
    assert list(tmp_path.iterdir()) == []  # nothing is written


def test_build_writes_valid_notebooks(tmp_path):
    for text in labs.build(TINY, tmp_path).values():
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
        assert text.endswith("}\n")
        assert notebook.metadata.cnnlab == {"lab": "lab00_tiny", "title": "A tiny lab"}
        assert notebook.metadata.kernelspec.name == "python3"


def test_a_student_notebook_leaks_nothing(write):
    for source in (labs.read(TINY), labs.read(write(WHOLE))):
        text = json.dumps(labs.student(source))
        hidden = [c.source for c in source.of_kind("probe", "holdout")]
        for cell in source.of_kind("exercise", "question"):
            hidden += [m.group(2) for m in labs.REGION.finditer(cell.source)]
        lines = {line.strip() for block in hidden for line in block.splitlines()}
        assert len(lines) > 4
        for line in lines - {""}:
            assert json.dumps(line)[1:-1] not in text, line
        for word in ("probe", "holdout", "secret", "SOLUTION", "forbid="):
            assert word not in text


def test_a_student_notebook_has_no_outputs(tiny):
    code = [c for c in labs.student(tiny).cells if c.cell_type == "code"]
    assert all(c.outputs == [] and c.execution_count is None for c in code)


def test_a_stub_keeps_signature_and_docstring(tiny):
    cells = {c.id: c.source for c in labs.student(tiny).cells}
    assert cells["exercise-output_size"] == (
        "def output_size(size, kernel_size, strides=1):\n"
        '    """Values per side that a convolution gives."""\n'
        '    raise NotImplementedError("output_size")'
    )
    assert cells["prompt-why_floor"] == (
        "### Question 1: why floor (2 points)\n\nWhy is the size rounded down?"
    )
    assert cells["question-why_floor"] == "*Your answer here.*"


def test_a_stub_with_two_regions(write):
    text = WHOLE.replace(
        "    ### END SOLUTION\n",
        "    ### END SOLUTION\n\ny = 1\n### BEGIN SOLUTION\nz = 2\n### END SOLUTION\n",
        1,
    )
    stub = labs.read(write(text)).of_kind("exercise")[0].stub
    assert stub.count('raise NotImplementedError("f")') == 2
    assert "y = 1" in stub and "z = 2" not in stub


def test_the_solved_notebook_keeps_all_and_tags_what_is_hidden(tiny):
    cells = labs.solved(tiny).cells
    assert len(cells) == len(tiny.cells)
    for cell, ours in zip(cells, tiny.cells, strict=True):
        hidden = ours.kind == "probe"
        assert (cell.metadata.get("tags") == ["probe"]) == hidden
        assert ("\nseed = 0" in cell.source) == hidden
        body = cell.source.split("\n", 4)[4] if hidden else cell.source
        assert body.endswith(";") == hidden  # its value is not printed
        body = body.replace("  # given", "", 1)
        assert ours.source.startswith(body.removesuffix(";"))


def test_expected_output_stands_in_the_solved_notebook_only(write):
    text = '# %% tags=["nbval-check-output"]\nprint(3)\nprint()\n# -> 3\n# ->\n'
    source = labs.read(write(WHOLE + "\n" + text))
    (cell,) = [c for c in labs.solved(source).cells if c.id == "code-1"]
    assert cell.source == "print(3)  # given\nprint()"
    assert cell.metadata.tags == ["nbval-check-output"]
    assert [(o.output_type, o.name, o.text) for o in cell.outputs] == [
        ("stream", "stdout", "3\n\n")
    ]
    assert cell.execution_count == 1, "nbval fails on outputs of a cell never run"
    (cell,) = [c for c in labs.student(source).cells if c.id == "code-1"]
    assert (cell.source, cell.outputs) == ("print(3)  # given\nprint()", [])


def test_nbgrader_metadata_follows_schema_3(tiny):
    """The rules of nbgrader's own schema and of its `CheckCellMetadata`."""
    allowed = {"schema_version", "grade", "grade_id", "points", "locked", "solution"}
    allowed |= {"task", "cell_type", "checksum"}
    for notebook in (labs.student(tiny), labs.solved(tiny)):
        seen = set()
        for cell in notebook.cells:
            metadata = cell.metadata.get("nbgrader")
            if metadata is None:
                assert cell.cell_type == "markdown"
                continue
            assert set(metadata) <= allowed
            assert metadata.schema_version == 3
            assert metadata.task is False
            assert re.fullmatch(r"[a-zA-Z0-9_\-]+", metadata.grade_id)
            assert metadata.grade_id not in seen
            seen.add(metadata.grade_id)
            assert metadata.grade == ("points" in metadata)
            assert metadata.get("points", 1) > 0
            if metadata.grade and cell.cell_type == "markdown":
                assert metadata.solution
            assert metadata.locked != metadata.solution


def test_nbgrader_points_are_the_labs_points(tiny):
    points = {}
    for cell in labs.student(tiny).cells:
        metadata = cell.metadata.get("nbgrader", {})
        if metadata.get("grade"):
            points[cell.metadata.cnnlab.name] = metadata.points
    assert points == tiny.points | tiny.written_points


def test_answers_alone_may_be_edited(tiny):
    for cell in labs.student(tiny).cells:
        locked = cell.metadata.get("nbgrader", {}).get("locked", None)
        kind = cell.metadata.get("cnnlab", {}).get("kind")
        assert locked == {None: None, "exercise": False, "question": False}.get(
            kind, True
        )


def test_only_what_is_the_students_can_be_edited(write):
    filled = '# %% prediction="faster"\nfaster = ""  # which?\n'
    for lab in (labs.read(TINY), labs.read(write(WHOLE + "\n" + filled))):
        for cell in labs.student(lab).cells:
            kind = cell.metadata.get("cnnlab", {}).get("kind", "text")
            mine = kind in ("exercise", "question", "prediction")
            if kind != "text":
                assert cell.metadata.editable == mine
                assert cell.metadata.deletable is False
                assert cell.metadata.nbgrader.locked != mine


def test_given_code_says_so(write):
    given = "# %%\nx = (\n    1\n)\n\n# %%\n%matplotlib inline\n"
    given += '\n# %% folded="What it costs"\nplot(x)\n'
    cells = labs.student(labs.read(write(WHOLE + "\n" + given))).cells
    one, two, three = (c for c in cells if c.id.startswith("code-"))
    assert one.source == "x = (  # given\n    1\n)"
    assert two.source == "# given\n%matplotlib inline"
    assert three.source == "# @title What it costs\nplot(x)"
    assert three.metadata.jupyter == {"source_hidden": True}
    assert three.metadata.cellView == "form"


def test_a_heading_says_number_title_and_points(write):
    text = WHOLE.replace('question="why"', 'question="why" title="What is y?"')
    question = '\n# %% [markdown] question="more" points=2\n# Why?\n#\n'
    question += "# ### BEGIN SOLUTION\n# So.\n# ### END SOLUTION\n"
    cells = labs.student(labs.read(write(text + question))).cells
    heads = [c.source.splitlines()[0] for c in cells if c.id.startswith("prompt-")]
    assert heads[0] == "### Question 1: What is y? (1 point)"
    assert heads[1] == "### Question 2: more (2 points)"


@pytest.mark.parametrize("text", ['x = "MLP"', "x = 1", "print(1)", "import os"])
def test_a_prediction_is_left_to_the_student(write, text):
    with pytest.raises(labs.LabError, match="must be empty texts"):
        labs.read(write(f'{WHOLE}\n# %% prediction="faster"\n{text}\n'))
