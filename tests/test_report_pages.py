import base64
import hashlib
import random
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from grading_class import conv2d, graded, make_lab, pool, small_class, unreadable

from cnnlab.grading.judge.results import FAILED, NOT_ATTEMPTED, PARTIAL, PASSED, PERSON
from cnnlab.grading.report import journal, pages
from cnnlab.grading.report.notebook_html import TEXT_LIMIT, markdown, notebook_cells

EVIL = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>"
    "\"'><svg onload=alert(3)><a href='javascript:alert(4)'>x</a>"
    "<style>body{background:url(http://evil.example)}</style>{{7*7}}\ud800\0"
)
PNG = base64.b64encode(b"\x89PNG not really").decode()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return make_lab(tmp_path_factory.mktemp("solutions"))


@pytest.fixture
def out(lab, tmp_path):
    """An output folder with the journal of a run in it."""
    header = journal.describe_run(lab, seed=987654321, isolation="bubblewrap")
    header |= {"started": "2025-11-20T22:54:01+00:00"}
    journal.Journal(tmp_path / "out" / "results.jsonl", header).close()
    return tmp_path / "out"


class Page(HTMLParser):
    """The tags, attributes and visible text of a page, as a browser takes it."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.text, self.scripts, self._inside = [], "", [], ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts.append(data)
        elif self._inside != "style":
            self.text += data

    def attribute(self, name):
        return [attrs[name] for _, attrs in self.tags if name in attrs]

    @property
    def policy(self):
        return next(
            attrs["content"]
            for tag, attrs in self.tags
            if attrs.get("http-equiv") == "Content-Security-Policy"
        )


def assert_harmless(page):
    allowed = {"html", "head", "meta", "title", "style", "body", "header", "main"}
    allowed |= {"footer", "section", "article", "div", "span", "p", "h1", "h2", "h3"}
    allowed |= {"ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "a"}
    allowed |= {"code", "pre", "bdi", "b", "i", "em", "strong", "small", "details"}
    allowed |= {"summary", "img", "svg", "rect", "line", "text", "figure", "button"}
    allowed |= {"figcaption", "script", "blockquote", "br", "hr", "del"}
    for tag, attrs in page.tags:
        assert tag in allowed, tag
        assert not [name for name in attrs if name.startswith("on")], attrs
        assert attrs.get("src", "data:image/").startswith("data:image/"), attrs
        link = attrs.get("href", "#")
        assert re.match(r"#|https?://|feedback/[\w.-]+$|\w+\.csv$", link), link


def code(source, *outputs, kind="helper", name="", **metadata):
    ours = {"cnnlab": {"kind": kind, "name": name}, **metadata}
    return {
        "cell_type": "code",
        "source": source,
        "outputs": list(outputs),
        "metadata": ours,
    }


def text_cell(source):
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def rich(**data):
    data = {key.replace("_", "/", 1): value for key, value in data.items()}
    return {"output_type": "display_data", "data": data}


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def evil_result():
    svg = {"image/svg+xml": f"<svg>{EVIL}</svg>"}
    error = {"output_type": "error", "ename": EVIL, "evalue": EVIL, "traceback": [EVIL]}
    cells = [
        text_cell(
            f"# {EVIL}\n\n![x](http://evil.example/x.png) [y](javascript:alert(5))"
        ),
        text_cell("![z](data:image/svg+xml,<svg/onload=alert(6)>) <iframe src=//e>"),
        code(EVIL, stream(EVIL), stream(EVIL, "stderr"), error, name=EVIL),
        code("x", rich(text_html=EVIL, text_plain=EVIL), rich(text_html=EVIL)),
        code("x", rich(application_javascript="alert(7)", text_plain="a script")),
        code("x", {"output_type": "display_data", "data": svg}),
        code("x", rich(image_png='" onerror="alert(8)'), rich(image_png=PNG)),
        code("x", rich(image_png={"a": 1}), rich(text_plain=[1, None, "odd"])),
        code("x", {"output_type": "display_data"}, {"output_type": EVIL}, stream(3)),
    ]
    bad = conv2d(FAILED, 0, (EVIL,), EVIL, (EVIL,))
    worse = pool(PERSON, None, (EVIL,))
    return graded(
        EVIL, bad, worse, answer=EVIL, notes=(EVIL,), notebook={"cells": cells}
    )


def test_feedback_runs_nothing_and_fetches_nothing(lab, tmp_path):
    page = Page(pages.write_feedback(evil_result(), lab, tmp_path))
    assert page.policy == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert_harmless(page)
    assert not page.scripts
    assert page.text.count("<script>alert(1)</script>") >= 9  # shown, not run
    assert "{{7*7}}" in page.text
    assert len(page.attribute("src")) == 2  # the SVG, boxed in an image; the PNG
    assert "http://evil.example" not in "".join(page.attribute("src"))


def test_report_runs_only_its_own_script(lab, out):
    evil = [evil_result(), unreadable(EVIL + "2", reason=EVIL, isolation=EVIL)]
    page = Page(pages.write_all(evil, lab, out)[0])
    assert_harmless(page)
    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert page.policy.startswith(f"default-src 'none'; script-src 'sha256-{digest}'; ")
    assert page.text.count("<script>alert(1)</script>") >= 4


@pytest.mark.parametrize("name", ["", "\n\n", " ", ".", "..", "a/../../b", "CON", "é"])
def test_odd_names_stay_inside_the_folder(lab, out, name):
    results = [graded(name), graded("ada")]
    page = Page(pages.write_all(results, lab, out)[0])
    files = {f"feedback/{path.name}" for path in (out / "feedback").iterdir()}
    assert len(files) == 2
    assert files <= {unquote(link) for link in page.attribute("href")}
    assert {path.name for path in out.iterdir()} == {
        *("results.jsonl", "feedback", "report.html", "grades.csv"),
        *("marks_template.csv", ".marks_template.csv"),
    }


def test_feedback_shows_score_verdicts_messages_and_hints(lab, tmp_path):
    result = graded(
        "Ada",
        conv2d(
            PARTIAL,
            1.5,
            ("3 of 4 values are wrong",),
            "use `same` padding",
            ("the edges",),
        ),
        pool(),
        notes=("read as latin-1",),
    )
    page = Page(pages.write_feedback(result, lab, tmp_path))
    text = " ".join(page.text.split())
    for expected in (
        "Lab 0: convolution Ada 3.5 of 6 points",
        "1 of 2 exercises passed. 3 more points for written answers",
        "conv2d◐ partial1.5 / 4",
        "3 of 4 values are wrong",
        "The check in your notebook says use same padding",
        "Hints the edges",
        "pool✓ passed2 / 2",
        "waits for a person’s mark– / 3 because",
        "read as latin-1",
    ):
        assert expected in text
    assert "3.5 of 6 points" in page.attribute("aria-label")


def test_marked_answer_counts(lab, tmp_path):
    page = Page(pages.write_feedback(graded("ada", mark=2), lab, tmp_path))
    text = " ".join(page.text.split())
    assert "8 of 9 points" in text
    assert "marked by a person2 / 3" in text
    assert "more point" not in text


@pytest.mark.parametrize(
    ("result", "said", "unsaid"),
    [
        (unreadable("ada"), ["Could not be read", "not JSON"], "looked"),
        (unreadable("ada", PERSON, "probe 3 broke"), ["A person will look"], "probe"),
        (graded("ada", conv2d(PERSON, None), pool()), ["A person will look"], "of 9"),
    ],
)
def test_without_a_score_feedback_shows_none(lab, tmp_path, result, said, unsaid):
    page = Page(pages.write_feedback(result, lab, tmp_path))
    for expected in (*said, "this is not a zero"):
        assert expected in page.text
    assert unsaid not in page.text
    assert not re.search(r"of \d+ points", page.text)


def test_feedback_shows_nothing_hidden(lab, tmp_path):
    cells = [
        code("hidden_1", stream("hidden_2"), kind="probe", name="conv2d"),
        code("hidden_3", kind="holdout", name="test"),
        code("hidden_4", kind="code", tags=["probe"]),
        code("shown = 1", stream("this too"), kind="exercise", name="conv2d"),
    ]
    result = graded("ada", notebook={"cells": cells}, path="hidden_5")
    page = Page(pages.write_feedback(result, lab, tmp_path))
    assert "hidden" not in page.text
    assert str(result.seed) not in page.text
    assert "shown = 1" in page.text and "this too" in page.text
    assert "#answer-conv2d" in page.attribute("href")
    assert "answer-conv2d" in page.attribute("id")


def outputs_of(*outputs):
    return notebook_cells({"cells": [code("x", *outputs)]})[0]["outputs"]


def test_streams_are_joined_and_progress_bars_show_their_end():
    epochs = [stream(f"\x1b[1m{n}/3\x1b[0m ...\r{n}/3 done\n") for n in (1, 2, 3)]
    (output,) = outputs_of(*epochs)
    assert output["text"] == "1/3 done\n2/3 done\n3/3 done"
    assert output["lines"] == 3
    kinds = [o["kind"] for o in outputs_of(stream("a"), stream("b", "stderr"))]
    assert kinds == ["text", "stderr"]


def test_long_outputs_are_collapsed_and_endless_ones_cut(lab, tmp_path):
    (output,) = outputs_of(stream("x" * 10 * TEXT_LIMIT))
    assert len(output["text"]) < TEXT_LIMIT + 100
    assert output["text"].endswith("[cut here: there is more]")
    for lines, collapsed in ((25, 0), (26, 1)):
        cells = [code("x", stream("\n".join("x" * lines)))]
        result = graded("ada", notebook={"cells": cells})
        page = Page(pages.write_feedback(result, lab, tmp_path))
        assert [tag for tag, _ in page.tags].count("details") == collapsed


def test_pictures_stand_in_the_page():
    (output,) = outputs_of(rich(image_png=[PNG[:5] + "\n", PNG[5:]], text_plain="Fig"))
    assert output["src"] == f"data:image/png;base64,{PNG}"
    (output,) = outputs_of(rich(**{"image_svg+xml": "<svg>é</svg>"}))
    head, data = output["src"].split(",")
    assert head == "data:image/svg+xml;base64"
    assert base64.b64decode(data).decode() == "<svg>é</svg>"
    (output,) = outputs_of(rich(image_png="not base64!"))
    assert "too large or broken" in output["text"]


def test_formulas_tables_and_code_of_markdown_are_rendered():
    html = markdown(
        "$a_1 < b_1$ and `x*y*z`\n\n|a|b|\n|-|-|\n|1|2|\n\n$$\n\\sum\\foo\n$$\n"
    )
    assert '<code class="math">a_1 &lt; b_1</code>' in html
    assert "<code>x*y*z</code>" in html
    assert "<td>1</td>" in html
    assert '<pre class="math">∑\\foo</pre>' in html


@pytest.mark.parametrize("text", [">" * 20_000, "[" * 20_000, "- " * 20_000])
def test_hostile_markdown_is_bounded(text):
    assert 0 < len(markdown(text)) < 1_000_000


def test_statistics_of_a_class(lab):
    results = small_class()  # 1.5/6, 8.5/9, 0/6 and two without a score
    assert pages.histogram(results, lab) == [1, 0, 1, 0, 0, 0, 0, 0, 0, 1]
    first, second = pages.exercise_rows(results, lab)
    assert (first["name"], first["most"], first["total"]) == ("conv2d", 4, 3)
    assert first["counts"] == {PASSED: 1, PARTIAL: 1, FAILED: 1}
    assert first["mean"] == pytest.approx((4 + 1.5 + 0) / 3)
    assert second["counts"] == {PASSED: 1, FAILED: 1, NOT_ATTEMPTED: 1}
    ranked = [
        (m["exercise"], m["line"], [r.student for r in m["results"]])
        for m in pages.mistakes(results)
    ]
    assert ranked == [
        ("conv2d", "shape (4, 4), expected (3, 3)", ["grace", "emmy"]),
        ("pool", "Said", ["grace"]),
    ]
    assert [(r.student, why) for r, why in pages.to_decide(results)] == [
        ("hedy", "not JSON"),
        ("sofia", "2 different notebooks"),
    ]


@pytest.mark.parametrize(
    ("points", "tenth"), [(0, 0), (0.59, 0), (0.6, 1), (1.8, 3), (5.4, 9), (6, 9)]
)
def test_score_falls_into_its_tenth(lab, points, tenth):
    result = graded("ada", conv2d(PARTIAL, points), pool(FAILED, 0))
    assert pages.histogram([result], lab).index(1) == tenth


def test_a_person_is_told_of_exercises_and_of_doubles():
    results = [
        graded("ada", conv2d(PERSON, None), pool()),
        graded("emmy", account="moodle 7"),
        graded("eve", account="moodle 7"),
        graded("grace", account="moodle 8"),
    ]
    double = "several submissions under this name or account"
    assert [(r.student, why) for r, why in pages.to_decide(results)] == [
        ("ada", "exercise conv2d"),
        ("emmy", double),
        ("eve", double),
    ]


def test_report_tells_the_run_and_what_waits(lab, out):
    page = Page(pages.write_all(small_class(), lab, out)[0])
    text = " ".join(page.text.split())
    versions = journal.read(out / "results.jsonl")[0]["versions"]
    for expected in (
        "Class report, 2025-11-20 22:54 UTC Lab 0: convolution lab00_class",
        "seed 987654321 · isolation: bubblewrap, none · cnnlab",
        f"tensorflow {versions['tensorflow']}",
        "5submissions 3graded 1need a person 1unreadable 25 %median score",
        "Written answers to mark: why 2.",
        "hedy! unreadablenot JSON",
        "1 failed 33 % 1.8 / 4",
    ):
        assert expected in text
    assert text.index("Needs a person") < text.index("Scores")
    labels = page.attribute("aria-label")
    assert "1 passed, 1 partial, 1 failed, 0 not attempted, 0 needs a person" in labels
    assert labels[0].startswith("Submissions by score: 0 to 10 %: 1; 10 to 20 %: 0;")


@pytest.mark.parametrize("results", [[], [unreadable("ada"), unreadable("emmy")]])
def test_class_without_scores_has_a_report(lab, out, results):
    page = Page(pages.write_all(results, lab, out)[0])
    assert f"{len(results)}submissions" in page.text
    assert "–median score" in page.text
    assert ("No submission was found." in page.text) == (not results)


def test_same_class_same_bytes(lab, out):
    def written(results):
        pages.write_all(results, lab, out)
        return {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}

    results = [*small_class(), graded("Ada"), graded("ÁDA")]
    first = written(results)
    random.Random(0).shuffle(results)
    assert written(results) == first


def test_marks_reach_feedback_with_its_notebook(lab, out):
    cells = [code("my_own_code = 1")]
    result = graded("Ada", notebook={"cells": cells})
    header = journal.read(out / "results.jsonl")[0]
    with journal.Journal(out / "results.jsonl", header) as kept:
        kept.append(result, "sha")
        (bare,) = kept.results
    marked = replace(bare, written=(replace(bare.written[0], points=3),))
    pages.write_all([marked], lab, out)
    (path,) = (out / "feedback").iterdir()
    page = Page(path)
    assert "my_own_code" in page.text
    assert "9 of 9 points" in " ".join(page.text.split())


BIG_CLASS = """
import re, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from grading_class import graded, make_lab
from cnnlab.grading.report import journal
from cnnlab.grading.report import pages
out = Path(sys.argv[2])
lab = make_lab(out)
header = journal.describe_run(lab, seed=1, isolation="none")
text = ("x" * 90 + "\\n") * 1000
outputs = [{"output_type": "stream", "name": "stdout", "text": text}]
cells = [{"cell_type": "code", "source": "x", "metadata": {}, "outputs": outputs}] * 3
with journal.Journal(out / "results.jsonl", header) as kept:
    for number in range(300):
        result = graded(f"Student {number}", notebook={"cells": cells})
        pages.write_feedback(result, lab, out)
        kept.append(result, "sha")
    pages.write_all(kept.results, lab, out)
assert not {"tensorflow", "keras", "matplotlib"} & set(sys.modules)
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def test_three_hundred_students_fit_in_little_memory(tmp_path, request):
    folder = str(request.path.parent)
    command = [sys.executable, "-c", BIG_CLASS, folder, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "feedback").iterdir())) == 300
    assert len(Page(tmp_path / "report.html").attribute("href")) > 300
    assert int(done.stdout) < 150 * 1024
