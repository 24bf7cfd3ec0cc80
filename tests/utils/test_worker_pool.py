import multiprocessing
import os
import signal
import time

import pytest

from lib.utils.errors import InputError
from lib.utils.worker_pool import worker_pool

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no fork")


def listen():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def end_by_signal():
    os.kill(os.getpid(), signal.SIGKILL)


def test_tasks_are_shared():
    with worker_pool(2, "fork", listen) as pool:
        assert list(pool.map(abs, [-2, 1, 0])) == [2, 1, 0]


def test_an_interruption_ends_the_workers_and_forgets_their_tasks():
    others = multiprocessing.active_children()
    tasks = []

    def interrupted():
        with worker_pool(2, "fork", listen) as pool:
            tasks.extend(pool.submit(time.sleep, 300) for _ in range(20))
            raise KeyboardInterrupt

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - begin < 60
    assert len(tasks) == 20
    assert all(task.done() for task in tasks)
    assert set(multiprocessing.active_children()) <= set(others)


def test_a_killed_worker_is_an_error():
    with pytest.raises(InputError, match="a worker process was killed"), worker_pool(2, "fork", listen) as pool:
        pool.submit(end_by_signal).result()


def test_an_error_of_a_task_is_raised():
    with pytest.raises(ZeroDivisionError), worker_pool(2, "fork", listen) as pool:
        pool.submit(divmod, 1, 0).result()
