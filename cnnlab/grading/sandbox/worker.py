"""The student's side of the grader: runs cells and probes, answers with what came out.

Started as `python -m cnnlab.grading.sandbox.worker FD`, where FD is a connected socket,
or with "port N", where the grader waits for it.
It holds no expected value and no test; whatever it says is taken as a claim.
"""

import ast
import builtins
import os
import signal
import socket
import sys

import numpy as np

from cnnlab.grading.sandbox import messages, pristine
from cnnlab.grading.sandbox.shell import Shell, Stream, make_shell
from cnnlab.teaching.check import frozen
from cnnlab.teaching.names import defined_names
from cnnlab.teaching.probes import attempt

_INTERRUPT = getattr(signal, "SIGBREAK", signal.SIGINT)  # on Windows, or elsewhere


def _no_input(prompt="", *_, **__):
    raise EOFError("input() has no answer while grading: nobody is at the keyboard")


def prepare() -> Shell:
    """All that can be done before it is known whose cells will run."""
    shell = make_shell()
    builtins.input = _no_input
    pristine.remember()
    return shell


def execute(shell: Shell, source: str, given: bool = False) -> dict:
    """Run one cell as Jupyter would: its status, outputs, and what a check said.

    What a `given` cell binds is kept for the probes.
    """
    shell.outputs.clear()
    shell.source, shell.explanation = source, None
    result = shell.run_cell(source, store_history=False)
    if given:
        space = shell.user_ns
        shell.given |= {k: space[k] for k in defined_names(source) if k in space}
    return {
        "status": "ok" if result.success else "error",
        "outputs": shell.outputs.items,
        "explanation": shell.explanation,
    }


def evaluate(shell: Shell, source: str, names: dict) -> dict:
    """The value of the last expression of `source`, in a namespace of its own.

    Of the student's names it holds those of the `answers`; what given cells defined is
    as they left it, and what it imports as it was before the student's first cell.

    Args:
        names: what else it holds, encoded: `answers`, `seed`, images of a holdout.
    """
    shell.outputs.clear()
    pristine.restore()
    names = {name: messages.decode(value) for name, value in names.items()}
    answers = set(names.pop("answers", ())) & set(shell.user_ns)
    answers = {name: shell.user_ns[name] for name in answers}
    space = {"np": np, "attempt": attempt, "frozen": frozen}
    space |= shell.given | answers | names
    np.random.seed(space["seed"])
    if keras := sys.modules.get("keras"):  # a lab in plain NumPy does not wait for it
        keras.utils.set_random_seed(space["seed"])
        space["keras"] = keras
    *body, last = ast.parse(source).body  # of a probe, the last is an expression
    try:
        exec(compile(ast.Module(body, []), "<probe>", "exec"), space)
        value = eval(compile(ast.Expression(last.value), "<probe>", "eval"), space)
        return {"status": "ok", "value": messages.encode(value)}
    except BaseException as error:
        detail = f"{type(error).__name__}: {error}"[:2000]
        return {"status": "error", "error": messages.kind_of(error), "detail": detail}


def serve(stream: socket.socket, shell: Shell) -> None:
    """Answer messages until the grader hangs up."""
    channel = messages.Channel(stream)
    sys.stdout = Stream(shell.outputs, "stdout")
    sys.stderr = Stream(shell.outputs, "stderr")
    signal.signal(_INTERRUPT, signal.SIG_IGN)  # but while a cell runs
    channel.send({"status": "ready"})
    while True:
        try:
            message = channel.receive()
        except messages.ProtocolError:
            return
        try:
            signal.signal(_INTERRUPT, signal.default_int_handler)
            reply = _answer(shell, message)
            signal.signal(_INTERRUPT, signal.SIG_IGN)
        except BaseException as error:  # an interrupt between two instructions
            signal.signal(_INTERRUPT, signal.SIG_IGN)
            reply = {"status": "error", "error": type(error).__name__, "outputs": []}
        channel.send(reply)


def _answer(shell: Shell, message: dict) -> dict:
    return (evaluate if "names" in message else execute)(shell, **message)


def main() -> None:
    """Take over the socket whose number is the one argument, or make it."""
    stream = _connected(sys.argv[1])
    quiet = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(quiet, fd)
    serve(stream, prepare())


def _connected(where: str) -> socket.socket:
    if where.isdecimal():
        return socket.socket(fileno=int(where))
    port = int(where.removeprefix("port "))
    stream = socket.create_connection(("127.0.0.1", port))
    stream.sendall(os.environ.pop("CNNLAB_SECRET").encode())
    return stream


if __name__ == "__main__":
    main()
