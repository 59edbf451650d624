"""The box: what a student's code may see of this machine. Linux, with bubblewrap.

One box holds the fork server and all its forks; `lockdown` keeps these from one
another.
"""

import os
import shutil
import site
import subprocess
import sys
from pathlib import Path

import cnnlab

_PACKAGE = Path(cnnlab.__file__).parent
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
_PARTS = ("bin", "include", "lib", "lib32", "lib64", "share", "pyvenv.cfg")
_FILES = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/fonts", "/etc/localtime")
# Kept for the moment of dropping everything, see `lockdown.leave_root`
_ROOT_ONLY = ("CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
_ELSEWHERE = "grade on Linux, or on Windows in WSL"
_TRIAL = "from cnnlab.grading.sandbox import lockdown; lockdown.trial()"


class IsolationError(OSError):
    """This machine cannot box a student's code; says what is missing."""


def import_path() -> dict[str, str]:
    """The variable by which another Python finds this very package, where it needs one.

    So it does where the package is no installed one, but a clone on PYTHONPATH.
    """
    home = str(Path(cnnlab.__file__).resolve().parent.parent)
    known = {os.path.realpath(path) for path in sys.path}
    installed = {os.path.realpath(path) for path in site.getsitepackages()}
    return {"PYTHONPATH": home} if home in known - installed else {}


def level(limited: tuple[str, ...]) -> str:
    """What a box is, in words; `limited` are the control groups' controllers."""
    groups = f"cgroup limits: {', '.join(limited)}" if limited else "no cgroup limits"
    return f"boxed (bubblewrap, own namespaces, no network, no privileges); {groups}"


def command(
    program: list[str], readable: tuple[Path, ...] = (), package: Path | None = None
) -> list[str]:
    """The bubblewrap command line that runs `program` boxed.

    Bound read-only, at their own paths: the system's programs and libraries, this
    interpreter with its packages, `cnnlab` (or, in its place, `package`), the weights
    that ship with it, and `readable`. Not the rest of the checkout that `cnnlab` may
    be part of, no home, and nothing writable but an empty /tmp.
    """
    arguments = ["bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc"]
    arguments += ["--unshare-uts", "--unshare-cgroup-try", "--new-session"]
    arguments += ["--cap-drop", "ALL"]
    if os.getuid() == 0:
        for capability in _ROOT_ONLY:
            arguments += ["--cap-add", capability]
    else:
        arguments += ["--unshare-user"]
    arguments += ["--dev", "/dev", "--proc", "/proc"]
    for folder in ("/tmp", "/dev/shm"):
        arguments += ["--perms", "1777", "--tmpfs", folder]
    visible = _visible(readable)
    for folder in dict.fromkeys(f for p in visible for f in reversed(p.parents)):
        arguments += ["--perms", "0755", "--dir", str(folder)]
    for path in visible:
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), str(path)]
        else:
            arguments += ["--ro-bind", str(path), str(path)]
    if package:
        arguments += ["--ro-bind", str(package), str(_PACKAGE)]
    # Last: the folders above had to be made first
    arguments += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]
    return [*arguments, "--", *program]


def _visible(readable: tuple[Path, ...]) -> list[Path]:
    """Parts of the prefixes, not the whole: a checkout may lie inside of one."""
    prefixes = ("/usr", "/usr/local", sys.base_prefix, sys.prefix)
    prefixes = dict.fromkeys([*prefixes, os.path.realpath(sys.base_prefix)])
    paths = [Path(prefix, part) for prefix in prefixes for part in _PARTS]
    paths += [Path(path) for path in (*_SYSTEM, *_FILES)]
    paths += [_PACKAGE]
    existing = [path for path in paths if path.exists()]
    return list(dict.fromkeys([*existing, *(p.resolve(strict=True) for p in readable)]))


def check() -> None:
    """Return if a student's code can be boxed here, else raise `IsolationError`."""
    if sys.platform != "linux":
        raise _cannot(f"it is a tool of Linux, and this is {sys.platform}")
    if shutil.which("bwrap") is None:
        raise _cannot("it is not installed", "apt-get install bubblewrap")
    trial = command([sys.executable, "-P", "-c", _TRIAL])
    environment = {**os.environ, **import_path()}
    done = subprocess.run(
        trial, capture_output=True, text=True, errors="replace", env=environment
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise _cannot(
            f"the trial said {said!r}",
            "allow user namespaces (sysctl user.max_user_namespaces=10000, "
            "kernel.unprivileged_userns_clone=1, "
            "kernel.apparmor_restrict_unprivileged_userns=0), and in a container "
            "the calls unshare and mount",
        )


def _cannot(why: str, remedy: str = _ELSEWHERE) -> IsolationError:
    return IsolationError(
        f"Submissions cannot be boxed with bubblewrap here: {why}. To mend: {remedy}. "
        "To grade without a box, only work you trust: --no-sandbox."
    )
