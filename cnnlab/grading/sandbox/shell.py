"""IPython without a terminal: a cell's outputs are collected, and bounded.

It runs in the student's process; what it collects is a claim.
"""

import contextlib
import io
import subprocess

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from cnnlab.teaching.check import Failure

TEXT_LIMIT = 100_000  # characters of printed text kept per cell
DATA_LIMIT = 4 << 20  # characters of figures and other rich outputs kept per cell
_CUT = "\n[... output cut here by cnnlab ...]\n"


class Outputs:
    """The outputs of one cell, bounded, as nbformat 4 dicts."""

    def __init__(self):
        self.clear()

    def clear(self) -> None:
        self.items: list[dict] = []
        self._text_left, self._data_left = TEXT_LIMIT, DATA_LIMIT

    def text(self, name: str, text: str) -> None:
        if self._text_left <= 0 or not text:
            return
        kept = text[: self._text_left]
        self._text_left -= len(text)
        if self._text_left <= 0:
            kept += _CUT
        last = self.items[-1] if self.items else {}
        if last.get("name") == name and last.get("output_type") == "stream":
            last["text"] += kept
        else:
            self.items.append({"output_type": "stream", "name": name, "text": kept})

    def rich(self, item: dict) -> None:
        size = len(repr(item.get("data", item)))
        if size > self._data_left:
            self.text("stderr", f"[an output of {size:,} characters was dropped]\n")
            return
        self._data_left -= size
        self.items.append(item)


class Stream(io.TextIOBase):
    def __init__(self, outputs: Outputs, name: str):
        self._outputs, self._name = outputs, name

    def write(self, text: str) -> int:
        self._outputs.text(self._name, str(text))
        return len(text)

    def isatty(self) -> bool:
        return False


class _Publisher(DisplayPublisher):
    def publish(self, data, metadata=None, **_):
        item = {"output_type": "display_data", "data": dict(data)}
        self.shell.outputs.rich({**item, "metadata": dict(metadata or {})})

    def clear_output(self, wait=False):
        self.shell.outputs.clear()


class _Hook(DisplayHook):
    def quiet(self):
        return self.shell.source.rstrip().endswith(";")

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        item = {"output_type": "execute_result", "data": dict(format_dict)}
        item |= {"metadata": dict(md_dict or {}), "execution_count": None}
        self.shell.outputs.rich(item)


class Shell(InteractiveShell):
    """IPython without a terminal and without a file: outputs are collected."""

    display_pub_class = Type(_Publisher)
    displayhook_class = Type(_Hook)

    def __init__(self, **kwargs):
        self.outputs = Outputs()
        self.source, self.explanation = "", None
        self.given = {}  # what the lab's own cells defined
        super().__init__(**kwargs)

    def enable_gui(self, gui=None):
        """No event loop here."""

    def system(self, cmd):
        """A line `!command`: no terminal, so none that could wait for a key."""
        command = self.var_expand(cmd, depth=1)
        done = subprocess.run(
            command,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            errors="replace",
        )
        print(done.stdout, end="")
        self.user_ns["_exit_code"] = done.returncode

    def _tee(self, channel):
        """IPython would keep a copy of all that is printed, without a bound."""
        return contextlib.nullcontext()

    def _showtraceback(self, etype, evalue, stb):
        if isinstance(evalue, Failure):
            self.explanation = _explanation(evalue)
        self.outputs.rich(
            {
                "output_type": "error",
                "ename": etype.__name__,
                "evalue": str(evalue)[:TEXT_LIMIT],
                "traceback": [str(line)[:TEXT_LIMIT] for line in stb],
            }
        )


def _explanation(failure: Failure) -> dict | None:
    """What a check says, as data that can be sent."""
    try:
        said = failure.as_data()
        title, message = (str(said[part])[:TEXT_LIMIT] for part in ("title", "message"))
        hints = [str(hint)[:TEXT_LIMIT] for hint in said["hints"]]
    except Exception:  # a student's own kind of failure may do anything
        return None
    return {"title": title, "message": message, "hints": hints}


def make_shell() -> Shell:
    """A shell ready for notebook cells, figures inline, nothing run yet."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = Shell.instance(config=config)
    shell.run_line_magic("matplotlib", "inline")
    from matplotlib import pyplot  # not earlier: it writes a file where it is imported

    pyplot.uninstall_repl_displayhook()  # would draw what is drawn to be shown anyway
    shell.outputs.clear()
    return shell
