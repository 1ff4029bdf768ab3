"""Worker processes: results and errors, stopping, being killed, and never outliving their parent."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from stylegan_tf.data import workers

ROOT = Path(__file__).resolve().parents[2]
LONG_S = 120.0


def square(number):
    workers.advance()
    return number * number


def work_until_stopped(number):
    """A long task that asks now and then whether it is still wanted; task 0 fails at once."""
    if number == 0:
        raise LookupError("number 0 is not there")
    deadline = time.monotonic() + LONG_S
    while time.monotonic() < deadline:
        workers.check_stop()
        time.sleep(0.01)


def kill_itself(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def interrupt_itself(number):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.05)  # Python handles signals between two instructions
    return os.getpid()


@pytest.fixture(scope="module")
def pool():
    with workers.pool(2) as pool:
        yield pool


def test_gives_the_results_of_all_tasks_and_counts_what_is_done(pool):
    before, seen = pool.done, []
    assert sorted(pool.run(square, range(50), seen.append)) == [number**2 for number in range(50)]
    assert pool.done - before == 50
    assert seen == sorted(seen)
    assert before <= seen[0] <= seen[-1] <= before + 50


def test_no_tasks_give_no_results(pool):
    assert list(pool.run(square, [])) == []


def test_tasks_are_taken_only_a_few_ahead(pool):
    taken = []

    def tasks():
        for number in range(1000):
            taken.append(number)
            yield number

    results = pool.run(square, tasks())
    for used in range(1, 30):
        next(results)
        assert len(taken) < used + 2 * pool.size


def test_work_is_done_in_other_processes_which_ignore_ctrl_c(pool):
    pids = set(pool.run(interrupt_itself, range(6)))
    assert len(pids) <= 2
    assert os.getpid() not in pids


@pytest.mark.slow
def test_an_error_comes_through_and_stops_the_other_tasks():
    started = time.monotonic()
    with pytest.raises(LookupError, match="number 0 is not there"), workers.pool(2) as pool:
        list(pool.run(work_until_stopped, [1, 0, 2, 3]))
    assert time.monotonic() - started < LONG_S / 2


@pytest.mark.slow
def test_leaving_the_block_by_an_error_stops_the_tasks():
    started = time.monotonic()

    def interrupt(done):
        if done == 0 and time.monotonic() - started > 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), workers.pool(1) as pool:
        list(pool.run(work_until_stopped, [1, 2, 3], interrupt))
    assert time.monotonic() - started < LONG_S / 2


def test_a_killed_worker_is_a_clear_error():
    with workers.pool(1) as pool:
        with pytest.raises(ValueError, match=r"ended unexpectedly. If memory ran out, use fewer workers;.*1 worker\."):
            list(pool.run(kill_itself, range(8)))
        with pytest.raises(ValueError, match="If memory ran out, use fewer workers"):  # when it is found dead already
            list(pool.run(square, range(8)))


def test_tasks_may_ask_and_count_outside_of_a_worker():
    workers.check_stop()
    workers.advance()


@pytest.fixture
def start_program(tmp_path):
    """`start_program(text)`: runs a program in a process group of its own."""

    def start(text):
        script = tmp_path / "program.py"
        script.write_text(textwrap.dedent(text))
        return subprocess.Popen(
            [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True,
        )  # fmt: skip

    return start


@pytest.mark.slow
def test_ctrl_c_while_workers_start_leaves_them_alone(start_program):
    """The parent decides; workers that it has only just started must not end with a traceback."""
    program = """
        import os, signal, threading, time
        from stylegan_tf.data import workers

        def interrupt_all():
            for _ in range(100):
                os.killpg(0, signal.SIGINT)
                time.sleep(0.005)

        if __name__ == "__main__":
            try:
                with workers.pool(2) as pool:
                    thread = threading.Thread(target=interrupt_all)
                    thread.start()
                    list(pool.run(time.sleep, [0.1] * 100))
            except KeyboardInterrupt as stop:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                thread.join()
                print("stopped by", int(stop.args[0]))
    """
    with start_program(program) as process:
        assert process.communicate(timeout=60) == ("stopped by 2\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.slow
def test_a_signal_at_any_moment_ends_the_run_and_not_the_executor(start_program, number):
    """Breaking into the executor, it would leave a lock locked now and then, and the process would wait for ever."""
    program = f"""
        import os, signal, threading, time
        from stylegan_tf.data import workers

        def interrupt(seconds):
            time.sleep(seconds)
            os.kill(os.getpid(), {int(number)})

        if __name__ == "__main__":
            for trial in range(8):
                try:
                    with workers.pool(1) as pool:
                        threading.Thread(target=interrupt, args=(0.02 * trial,)).start()
                        for _ in pool.run(abs, iter(int, 1)):
                            pass
                except KeyboardInterrupt as stop:
                    print(int(stop.args[0]))
    """
    with start_program(program) as process:
        try:
            assert process.communicate(timeout=60) == (f"{int(number)}\n" * 8, "")
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.slow
def test_a_signal_to_all_processes_is_an_interrupt_and_no_crash_of_workers(start_program, number):
    """A terminal that is closed, and some schedulers, send it to the whole group."""
    program = """
        import time
        from stylegan_tf.data import workers

        def work(seconds):
            print("working", flush=True)
            time.sleep(seconds)

        if __name__ == "__main__":
            try:
                with workers.pool(2) as pool:
                    list(pool.run(work, [0.5] * 100))
            except KeyboardInterrupt as stop:
                print("stopped by", int(stop.args[0]))
    """
    with start_program(program) as process:
        assert process.stdout.readline() == "working\n"
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=60)
    assert (out.splitlines()[-1], err, process.returncode) == (f"stopped by {int(number)}", "", 0)


def test_a_program_without_a_main_guard_is_told_so(start_program):
    program = """
        from stylegan_tf.data import workers

        with workers.pool(1) as pool:
            list(pool.run(abs, [1]))
    """
    with start_program(program) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    last = err.splitlines()[-1]
    assert last.startswith("stylegan_tf.errors.UserError: A worker process ended unexpectedly.")
    assert 'a script that starts them needs `if __name__ == "__main__":`' in last


@pytest.mark.slow
def test_workers_die_with_a_parent_that_is_killed(start_program):
    program = """
        import os, time
        from stylegan_tf.data import workers

        def work(number):
            print(os.getpid(), flush=True)
            time.sleep(60)

        if __name__ == "__main__":
            with workers.pool(2) as pool:
                list(pool.run(work, range(2)))
    """
    with start_program(program) as parent:
        try:
            pids = [int(parent.stdout.readline()) for _ in range(2)]
            assert all(map(is_running, pids))
        finally:
            parent.kill()
        deadline = time.monotonic() + 60  # other work may keep the processors busy
        while any(map(is_running, pids)):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def is_running(pid):
    """Whether there is such a process that is not a zombie, which is what nobody has asked about yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
