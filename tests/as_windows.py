"""Run a Python file with what Windows lacks hidden: modules, signals, and functions of `os`.

python tests/as_windows.py tools/train.py --cfg …

Third-party libraries are imported before, because they look for the system that they were built for.
"""

import errno
import importlib
import os
import runpy
import signal
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = [
    "av", "cv2", "filelock", "h5py", "matplotlib.pyplot", "motrics", "orjson", "pandas", "PIL.Image",
    "pycocotools.coco", "scipy.io", "scipy.optimize", "starlette.applications", "tensorboardX", "torch.distributed",
    "torch.utils.data", "torchvision", "tqdm", "uvicorn", "webbrowser", "yacs.config",
]  # fmt: skip
MODULES = ("fcntl", "grp", "posix", "pwd", "readline", "resource", "termios", "tty")
SIGNALS = ("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGUSR1", "SIGUSR2")
FUNCTIONS = (
    "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "chown", "fork", "forkpty", "geteuid", "getpgid", "getuid", "killpg",
    "mkfifo", "register_at_fork", "sched_getaffinity", "setsid", "statvfs", "sysconf", "uname",
)  # fmt: skip


def locking(descriptor: int, mode: int, size: int) -> None:
    """Lock a file as msvcrt.locking does, with the lock of Linux."""
    try:
        flock(descriptor, LOCK)
    except BlockingIOError:
        raise PermissionError(errno.EACCES, "Permission denied") from None


def hide() -> None:
    for name in LIBRARIES:
        importlib.import_module(name)
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]  # an ImportError
    for owner, names in ((signal, SIGNALS), (os, FUNCTIONS)):
        for name in names:
            delattr(owner, name)
    sys.modules["msvcrt"] = types.SimpleNamespace(locking=locking, LK_NBLCK=2)  # type: ignore[assignment]
    sys.platform = "win32"


if __name__ == "__main__":
    import fcntl

    flock, LOCK = fcntl.flock, fcntl.LOCK_EX | fcntl.LOCK_NB
    hide()
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    sys.path.insert(1, str(ROOT))
    runpy.run_path(sys.argv[0], run_name="__main__")
