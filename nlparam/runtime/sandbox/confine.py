"""How a worker gives up what it does not need: resource limits, namespaces, Landlock, seccomp and an audit hook.

It runs inside the worker, on the standard library alone, and is loaded from its file. What the system does not have is
left out, and said to the parent. The first four are enforced by the kernel and cannot be undone by the code that runs
afterwards; the hook is a second line within Python.
"""

import ctypes
import os
import platform
import struct
import sys

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_SET_DUMPABLE, _PR_SET_PDEATHSIG = 38, 22, 4, 1
_SIGKILL = 9
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
# The numbers of these three are the same on every architecture.
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446

# System calls: name, number on x86-64, number on AArch64, where "-" means that there is none.
_ALWAYS = """
read 0 63, write 1 64, close 3 57, fstat 5 80, lseek 8 62, mmap 9 222, mprotect 10 226, munmap 11 215,
brk 12 214, rt_sigprocmask 14 135, rt_sigreturn 15 139, mremap 25 216, madvise 28 233, sched_yield 24 124,
nanosleep 35 101, getpid 39 172, gettid 186 178, exit 60 93, exit_group 231 94, gettimeofday 96 169,
sigaltstack 131 132, futex 202 98, clock_gettime 228 113, clock_getres 229 114, clock_nanosleep 230 115,
getrandom 318 278
"""
_LIBRARIES = """
open 2 -, stat 4 -, lstat 6 -, poll 7 -, rt_sigaction 13 134, pread64 17 67, pwrite64 18 68, readv 19 65,
writev 20 66, access 21 -, select 23 -, msync 26 227, mincore 27 232, dup 32 23, dup2 33 -, uname 63 160,
fcntl 72 25, flock 73 32, fsync 74 82, ftruncate 77 46, getcwd 79 17, chdir 80 49, rename 82 -, mkdir 83 -,
rmdir 84 -, unlink 87 -, readlink 89 -, getrlimit 97 163, getrusage 98 165, sysinfo 99 179, times 100 153,
getuid 102 174, getgid 104 176, geteuid 107 175, getegid 108 177, getppid 110 173, sched_getaffinity 204 123,
getdents64 217 61, set_tid_address 218 96, openat 257 56, mkdirat 258 34, newfstatat 262 79, unlinkat 263 35,
renameat 264 38, readlinkat 267 78, pselect6 270 72, ppoll 271 73, faccessat 269 48, set_robust_list 273 99,
pipe2 293 59, getcpu 309 168, membarrier 324 283, statx 332 291, rseq 334 293, faccessat2 439 439
"""
_CLONE, _CLONE3, _PRLIMIT, _IOCTL = (56, 220), 435, (302, 261), (16, 29)
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_CLONE_THREAD, _FIOCLEX, _EPERM, _ENOSYS = 0x10000, 0x5451, 1, 38

# Audit events that are refused, by name or by the part before the dot.
_REFUSED = {
    "socket", "subprocess", "pty", "syslog", "winreg", "ftplib", "imaplib", "nntplib", "poplib", "smtplib", "telnetlib",
    "urllib", "webbrowser", "ensurepip", "resource", "fcntl",
    "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.kill",
    "os.killpg", "os.chmod", "os.chown", "signal.pthread_kill",
}  # fmt: skip
_REFUSED_PREDICATES = _REFUSED | {
    "os", "ctypes", "shutil", "glob", "tempfile", "mmap", "gc", "marshal", "pickle", "sqlite3", "import", "open",
    "sys._getframe", "sys._current_frames", "sys._current_exceptions", "sys.settrace", "sys.setprofile",
    "sys.unraisablehook", "code.__new__", "function.__new__", "builtins.input", "builtins.breakpoint",
    "cpython.run_command", "cpython.run_file", "_thread.start_new_thread", "signal",
}  # fmt: skip


def confine(settings):
    """Confines this process for good, and returns the names of what took effect."""
    libraries = settings["profile"] == "libraries"
    done = []
    if _limit_resources(settings, libraries=libraries):
        done.append("limits")
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # no process of the same user may attach to it
        if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC) == 0:
            done.append("namespaces")
        # After the namespaces, which would undo it. The signal comes when the thread that started this process ends.
        libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
            if _landlock(libc, settings["readable"], settings["folder"]):
                done.append("landlock")
            if _seccomp(libc, libraries=libraries):
                done.append("seccomp")
    _audit(_REFUSED if libraries else _REFUSED_PREDICATES)
    done.append("audit")
    return done


def _limit_resources(settings, *, libraries):
    try:
        import resource
    except ImportError:
        return False
    # The parent limits wall-clock time. The limit on processor time ends a worker that has lost its parent.
    wanted = {"RLIMIT_AS": settings["memory"], "RLIMIT_FSIZE": settings["file"], "RLIMIT_CPU": settings["cpu"]}
    # A predicate opens no files: it gets no more descriptors than are open already.
    wanted |= {"RLIMIT_CORE": 0, "RLIMIT_NOFILE": 256 if libraries else 8}
    if not libraries:
        wanted["RLIMIT_NPROC"] = 0
    held = True
    for name, value in wanted.items():
        try:
            kind = getattr(resource, name)
            most = resource.getrlimit(kind)[1]  # the limit of this process, which cannot be raised
            value = value if most == resource.RLIM_INFINITY else min(value, most)
            resource.setrlimit(kind, (value, value))
        except (AttributeError, ValueError, OSError):
            held = False
    return held


def _landlock(libc, readable, folder):
    """Allows reading `readable` and anything in `folder`, and no other files, TCP or signals to other processes."""
    abi = libc.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if abi < 1:
        return False
    files = (1 << min(13 + (abi >= 2) + (abi >= 3) + (abi >= 5), 16)) - 1
    fields = [files, 3, 3][: 1 + (abi >= 4) + (abi >= 6)]
    rules = libc.syscall(_LANDLOCK_CREATE, struct.pack(f"{len(fields)}Q", *fields), 8 * len(fields), 0)
    if rules < 0:
        return False
    execute, read_file, read_folder = 1, 4, 8
    for path, access in [*((path, execute | read_file | read_folder) for path in readable), (folder, files)]:
        if path is None:
            continue
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        if not os.path.isdir(path):
            access &= execute | 2 | read_file
        libc.syscall(_LANDLOCK_ADD, rules, 1, struct.pack("=Qi", access, descriptor), 0)
        os.close(descriptor)
    restricted = libc.syscall(_LANDLOCK_RESTRICT, rules, 0) == 0
    os.close(rules)
    return restricted


def _seccomp(libc, *, libraries):
    """Allows the listed system calls; others fail with EPERM. Libraries may start threads, but no processes."""
    if platform.machine() not in _MACHINES:
        return False
    column, architecture = _MACHINES[platform.machine()]
    load, equal, any_of, end = 0x20, 0x15, 0x45, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000
    program = [(load, 0, 0, 4), (equal, 1, 0, architecture), (end, 0, 0, 0x80000000), (load, 0, 0, 0)]
    for call in f"{_ALWAYS}, {_LIBRARIES}".split(",") if libraries else _ALWAYS.split(","):
        if (number := call.split()[1 + column]) != "-":
            program += [(equal, 0, 1, int(number)), (end, 0, 0, allow)]
    if libraries:
        # The flags of clone are its first argument; those of clone3 cannot be read here, and libraries fall back.
        program += [(equal, 0, 4, _CLONE[column]), (load, 0, 0, 16), (any_of, 0, 1, _CLONE_THREAD)]
        program += [(end, 0, 0, allow), (end, 0, 0, refuse | _EPERM)]
        program += [(equal, 0, 1, _CLONE3), (end, 0, 0, refuse | _ENOSYS)]
        # Limits may be read, not set: the third argument must be a null pointer.
        program += [(equal, 0, 6, _PRLIMIT[column]), (load, 0, 0, 32), (equal, 0, 3, 0), (load, 0, 0, 36)]
        program += [(equal, 0, 1, 0), (end, 0, 0, allow), (end, 0, 0, refuse | _EPERM)]
        # Python marks a descriptor by ioctl as one that is closed on exec.
        program += [(equal, 0, 4, _IOCTL[column]), (load, 0, 0, 24), (equal, 0, 1, _FIOCLEX)]
        program += [(end, 0, 0, allow), (end, 0, 0, refuse | _EPERM)]
    program.append((end, 0, 0, refuse | _EPERM))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    return libc.prctl(_PR_SET_SECCOMP, 2, header, 0, 0) == 0


def _audit(refused):
    def hook(event, _):
        if event in refused or event.partition(".")[0] in refused:
            raise PermissionError(f"{event} is not allowed here")

    sys.addaudithook(hook)
