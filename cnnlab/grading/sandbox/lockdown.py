"""What a student's process does to itself before any of their code runs. Linux only.

It leaves the namespaces of the box for its own, covers what could be written, and
gives up every means of going back. Numbers are those of the kernel's headers.
"""

import ctypes
import os
import platform
import struct

MEMORY = 3 << 30  # bytes a submission may hold
PROCESSES = 32  # it may have at a time, see `watchdog`
SPACE = 512 << 20  # bytes of its private /tmp, held in memory
THREADS = 128  # of all its processes together
_FILES = 512  # open at a time
_NOBODY = 65534  # user and group of a box that root started

_NAMESPACES = {  # linux/sched.h
    "CLONE_NEWNS": 0x00020000,
    "CLONE_NEWCGROUP": 0x02000000,
    "CLONE_NEWUTS": 0x04000000,
    "CLONE_NEWIPC": 0x08000000,
    "CLONE_NEWUSER": 0x10000000,
    "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000,
}
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8  # linux/mount.h
_MS_REMOUNT, _MS_BIND, _MS_REC = 32, 4096, 16384
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP = 1, 4, 22  # linux/prctl.h
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_CAPABILITY_VERSION = 0x20080522  # linux/capability.h

# linux/filter.h, seccomp.h, audit.h
_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FLAGS = 0, 4, 40  # mmap's flags
_SECCOMP_FILTER, _ALLOW, _REFUSE = 2, 0x7FFF0000, 0x00050001  # refuse: EPERM
_SHARED_MEMORY = 0x21  # MAP_SHARED | MAP_ANONYMOUS
_X32 = 0x40000000  # second set of numbers for the same calls, on x86_64
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_MMAP = (9, 222)
_REFUSED = {  # call: its number on x86_64 and on aarch64
    # memory that no limit and no watchdog sees
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    # one submission keeps to its own processor
    "sched_setaffinity": (203, 122),
    # keys outlive a process, and are shared by user
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # nothing a lab needs; often the way into a kernel
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
}


def _call(name: str, *arguments) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _prctl(option: int, value=0, pointer=None) -> None:
    _call("prctl", option, ctypes.c_ulong(value), pointer, None, None)


def _mount(kind: str, target: str, flags: int, options: str = "", source="") -> None:
    texts = [text.encode() for text in (source or kind, target, kind)]
    _call("mount", *texts, ctypes.c_ulong(flags), options.encode())


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def leave_root() -> None:
    """The fork server, started by root: an ordinary user from here on."""
    if os.getuid() == 0:
        # bubblewrap covers parts of root's /proc, and a mount over a covered one
        # is refused to the students' namespaces
        _mount("proc", "/proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def hide_memory() -> None:
    """No process of the same user may read or trace this one."""
    _prctl(_PR_SET_DUMPABLE, 0)


def die_with_parent(signal: int) -> None:
    """The kernel sends `signal` to this process when its parent ends."""
    _prctl(_PR_SET_PDEATHSIG, signal)


def leave_namespaces() -> None:
    """New namespaces of every kind; the next fork is process 1 of its own world."""
    uid, gid = os.getuid(), os.getgid()
    _prctl(_PR_SET_DUMPABLE, 1)  # or the maps below belong to root
    _call("unshare", sum(_NAMESPACES.values()))
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")


def enter(kept: list[str], cpu: int) -> None:
    """As process 1 of new namespaces: cover, limit, and drop all privilege.

    Args:
        kept: names in /tmp (of the box) that stay visible, such as an
            interpreter installed there.
        cpu: the one processor to run on, so that a neighbour keeps the others.
    """
    os.setsid()
    os.sched_setaffinity(0, {cpu})
    _cover(kept)
    _write("/proc/sys/user/max_user_namespaces", "0")
    _write("/proc/self/oom_score_adj", "1000")
    _limit()
    _drop_privileges()
    _filter_calls()


def _cover(kept: list[str]) -> None:
    flags = _MS_NOSUID | _MS_NODEV
    held = {name: os.open(f"/tmp/{name}", os.O_PATH) for name in kept}
    _mount("tmpfs", "/tmp", flags, f"size={SPACE},nr_inodes=100000,mode=700")
    for name, fd in held.items():
        if os.path.isdir(f"/proc/self/fd/{fd}"):
            os.mkdir(f"/tmp/{name}")
        else:
            _write(f"/tmp/{name}", "")
        source = f"/proc/self/fd/{fd}"
        _mount("none", f"/tmp/{name}", _MS_BIND | _MS_REC, source=source)
        read_only = _MS_REMOUNT | _MS_BIND | _MS_RDONLY | flags
        _mount("none", f"/tmp/{name}", read_only)
        os.close(fd)
    _mount("none", "/dev/shm", _MS_BIND, source="/tmp")  # one quota for both
    _mount("none", "/dev/zero", _MS_BIND, source="/dev/null")  # mapped, it is memory
    _mount("tmpfs", "/dev/pts", flags | _MS_RDONLY)  # no terminals
    _mount("proc", "/proc", flags | _MS_NOEXEC)


def _limit() -> None:
    import resource  # not on Windows, where `cnnlab grade` says that it cannot

    limits = {
        resource.RLIMIT_DATA: MEMORY,  # RLIMIT_AS would break TensorFlow
        resource.RLIMIT_NPROC: THREADS,
        resource.RLIMIT_FSIZE: SPACE,
        resource.RLIMIT_NOFILE: _FILES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        resource.setrlimit(kind, (limit, limit))


def _drop_privileges() -> None:
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())
    for capability in range(last + 1):
        _prctl(_PR_CAPBSET_DROP, capability)
    _call("capset", struct.pack("Ii", _CAPABILITY_VERSION, 0), bytes(24))


def _filter_calls() -> None:
    architecture, column = _ARCHITECTURES[platform.machine()]
    refused = [(_AT_LEAST, _X32)]
    refused += [(_EQUAL, numbers[column]) for numbers in _REFUSED.values()]
    rest = [
        (_EQUAL, 0, 3, _MMAP[column]),  # memory shared by nobody's file: unseen too
        (_LOAD, 0, 0, _AT_FLAGS),
        (_AND, 0, 0, _SHARED_MEMORY),
        (_EQUAL, 1, 0, _SHARED_MEMORY),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    to_refusal = len(refused) + len(rest) - 2
    steps = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_EQUAL, 0, to_refusal + 2, architecture),
        (_LOAD, 0, 0, _AT_NUMBER),
        *((kind, to_refusal - i, 0, n) for i, (kind, n) in enumerate(refused)),
        *rest,
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(buffer))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, program)


def trial() -> None:
    """Go through all of it in a process of no other use; OSError if one step fails."""
    leave_root()
    open(__file__).close()  # the package must be readable without root's rights
    hide_memory()
    cpu = min(os.sched_getaffinity(0))
    kept = os.listdir("/tmp")
    leave_namespaces()
    child = os.fork()
    if child == 0:
        enter(kept, cpu)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        raise OSError(f"process 1 of new namespaces ended with {status}")
