"""The student's side of the grader: runs notebook cells, answers with outputs.

Started as `python -m cnnlab.grading.sandbox.worker FD`, where FD is a connected socket.
It holds no expected value and no test; whatever it says is taken as a claim.
"""

import ast
import builtins
import contextlib
import io
import os
import signal
import socket
import subprocess
import sys

import numpy as np
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from cnnlab.grading.sandbox import messages

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


class _Stream(io.TextIOBase):
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
        self.source = ""
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
        self.outputs.rich(
            {
                "output_type": "error",
                "ename": etype.__name__,
                "evalue": str(evalue)[:TEXT_LIMIT],
                "traceback": [str(line)[:TEXT_LIMIT] for line in stb],
            }
        )


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


def _no_input(prompt="", *_, **__):
    raise EOFError("input() has no answer while grading: nobody is at the keyboard")


def execute(shell: Shell, source: str) -> dict:
    """Run one cell as Jupyter would: its status and outputs."""
    shell.outputs.clear()
    shell.source = source
    result = shell.run_cell(source, store_history=False)
    status = "ok" if result.success else "error"
    return {"status": status, "outputs": shell.outputs.items}


def evaluate(shell: Shell, source: str, names: dict) -> dict:
    """The value of the last expression of `source`, in a copy of the namespace."""
    shell.outputs.clear()
    space = {k: v for k, v in shell.user_ns.items() if not _shadows(k)} | {"np": np}
    space |= {name: messages.decode(value) for name, value in names.items()}
    np.random.seed(space["seed"])
    if keras := sys.modules.get("keras"):  # a lab in plain NumPy does not wait for it
        keras.utils.set_random_seed(space["seed"])
        space["keras"] = keras
    *body, last = ast.parse(source).body
    try:
        exec(compile(ast.Module(body, []), "<probe>", "exec"), space)
        value = eval(compile(ast.Expression(last.value), "<probe>", "eval"), space)
        return {"status": "ok", "value": messages.encode(value)}
    except BaseException as error:
        return {"status": "error", "error": f"{type(error).__name__}: {error}"[:2000]}


def _shadows(name: str) -> bool:
    """Whether a student's variable, such as `sum`, hides what a probe uses."""
    return hasattr(builtins, name) and not name.startswith("_")


def serve(stream: socket.socket, shell: Shell) -> None:
    """Answer messages until the grader hangs up."""
    channel = messages.Channel(stream)
    builtins.input = _no_input
    sys.stdout = _Stream(shell.outputs, "stdout")
    sys.stderr = _Stream(shell.outputs, "stderr")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel.send({"status": "ready"})
    while True:
        try:
            message = channel.receive()
        except messages.WireError:
            return
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            reply = _answer(shell, message)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        except BaseException as error:  # an interrupt between two instructions
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            reply = {"status": "error", "error": type(error).__name__, "outputs": []}
        channel.send(reply)


def _answer(shell: Shell, message: dict) -> dict:
    if "names" in message:
        return evaluate(shell, message["source"], message["names"])
    return execute(shell, message["source"])


def main() -> None:
    """Take over the socket whose number is the one argument."""
    stream = socket.socket(fileno=int(sys.argv[1]))
    quiet = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(quiet, fd)
    serve(stream, make_shell())


if __name__ == "__main__":
    main()
