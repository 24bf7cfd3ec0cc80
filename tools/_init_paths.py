"""Put the project's root on the path, so that `lib` is found from any folder; every tool imports this module first.

It also makes Ctrl-C during the following imports, which take seconds, end the tool without a traceback, and reports
missing requirements separately from a broken Python installation.
"""

import signal
import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # lib.utils.errors.run restores it

if missing := [
    name for name in ("torch", "yacs", "orjson", "cv2", "av", "h5py", "defusedxml") if find_spec(name) is None
]:
    hint = "run make and activate .venv, or pip install -r requirements.txt"
    print(f"error: {sys.executable} lacks {', '.join(missing)}: {hint}", file=sys.stderr)
    sys.exit(2)
