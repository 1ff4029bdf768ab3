"""Exit codes, and one line for a user's mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags

from stylegan_tf.cli import app
from stylegan_tf.configuration.resolutions import level_size
from stylegan_tf.errors import require
from stylegan_tf.invocation import install

ROOT = Path(__file__).resolve().parents[2]
VALUES = flags.FlagValues()
flags.DEFINE_integer("count", 3, "how many there are", lower_bound=0, flag_values=VALUES, module_name="What")
flags.DEFINE_enum("kind", "a", ["a", "b"], "which", flag_values=VALUES, module_name="What")
flags.DEFINE_bool("loud", False, "say more", flag_values=VALUES, module_name="How")


@pytest.fixture
def run(capsys):
    """`run(main, *arguments)`: exit code, stdout, stderr."""

    def call(main, *arguments):
        with pytest.raises(SystemExit) as stop:
            app.run(main, ["some/where/tool.py", *arguments], VALUES)
        out, err = capsys.readouterr()
        return stop.value.code or 0, out, err

    return call


def raising(error):
    def main():
        raise error

    return main


def test_what_main_returns_is_the_exit_code(run):
    assert run(lambda: None) == (0, "", "")
    assert run(lambda: 5) == (5, "", "")


def test_flags_are_parsed_and_do_not_outlive_a_run(run):
    seen = []

    def main():
        seen.append((VALUES.count, VALUES.loud))

    run(main, "--count=7", "--loud")
    run(main)
    assert seen == [(7, True), (3, False)]


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--cuont=3", ["cuont", "Did you mean", "count"]),
        ("--count=many", ["--count", "many"]),
        ("--count=-1", ["--count", "-1"]),
        ("--kind=c", ["--kind", "c", "a|b"]),
        ("--noloud=1", ["--noloud=1"]),
        ("stray", ["--name=value", "'stray'"]),
        ("--count", ["count"]),
    ],
)
def test_bad_flags(run, argument, words):
    code, out, err = run(lambda: None, argument)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("tool: ")
    assert err.endswith("See --help.\n")
    assert all(word in err for word in words)


def test_a_users_mistakes_are_one_line(run, tmp_path):
    def wrong_value():
        require(False, "size must be\neven", 3)

    def missing_file():
        (tmp_path / "none.json").read_text()

    assert run(wrong_value) == (2, "", "tool: size must be even. Received: 3.\n")
    assert run(missing_file) == (2, "", f"tool: No such file or directory: {tmp_path}/none.json\n")


def test_a_missing_extra_is_one_line(run, monkeypatch):
    """As this package raises it: by hand, with the extra that installs it."""
    from stylegan_tf.features import efficientnet_lite

    monkeypatch.setattr(efficientnet_lite, "_WEIGHTS_PACKAGE", "no-such-package")
    code, _, err = run(efficientnet_lite._find_weights)
    assert (code, err.count("\n")) == (2, 1)
    assert f"Install it with: {install('metrics')}" in err


def test_a_full_disk_is_the_users_to_mend_whoever_found_it(run):
    tensorflow = pytest.importorskip("tensorflow")
    error = tensorflow.errors.ResourceExhaustedError(None, None, "run/ckpt-1.index; No space left on device")
    code, _, err = run(raising(error))
    assert (code, err) == (2, "tool: run/ckpt-1.index; No space left on device\n")
    with pytest.raises(tensorflow.errors.ResourceExhaustedError):
        app.run(raising(tensorflow.errors.ResourceExhaustedError(None, None, "OOM")), ["tool"], VALUES)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full is Linux's")
def test_output_that_cannot_be_written(tmp_path):
    script = tmp_path / "tool.py"
    script.write_text("from stylegan_tf.cli import app\ndef main():\n    print('a')\napp.run(main)\n")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, str(script)], stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    told = "tool: standard output could not be written: No space left on device. Everything else was done.\n"
    assert (done.returncode, done.stderr) == (2, told)


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("x"), AssertionError(), ModuleNotFoundError("x", name="x")])
def test_bugs_keep_their_traceback(error):
    with pytest.raises(type(error)):
        app.run(raising(error), ["tool"], VALUES)


def test_value_errors_of_python_inside_the_package_are_bugs():
    with pytest.raises(ValueError, match="negative shift count"):
        app.run(lambda: level_size((4, 4), -1), ["tool"], VALUES)


def test_value_errors_from_elsewhere_are_bugs():
    with pytest.raises(json.JSONDecodeError):
        app.run(lambda: json.loads("{"), ["tool"], VALUES)


def test_words_of_strangers_change_no_terminal(run):
    code, _, err = run(raising(OSError("a\x1b[2J\x07 b\u202e\n c")))
    assert (code, err) == (2, "tool: a\\x1b[2J\\x07 b\\u202e c\n")


def test_interrupted(run):
    stop = KeyboardInterrupt()
    assert run(raising(stop)) == (130, "", "tool: interrupted.\n")
    stop.add_note("Half of it is kept.")
    assert run(raising(stop)) == (130, "", "tool: interrupted. Half of it is kept.\n")


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:surrogateescape"])
def test_names_that_are_no_text_can_be_printed(tmp_path, encoding):
    script = tmp_path / "tool.py"
    script.write_text(
        "from stylegan_tf.cli import app\ndef main():\n    print('a\\udcff')\n    open('none\\udcff')\napp.run(main)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, b"a\\udcff\n")
    assert done.stderr == b"tool: No such file or directory: none\\udcff\n"


@pytest.mark.parametrize("word", ["--help", "-h", "--helpfull"])
def test_help_is_grouped(run, word):
    code, out, err = run(lambda: None, "--count=2", word)
    assert (code, err) == (0, "")
    assert out.startswith("Exit codes, and one line")
    assert out.index("What:") < out.index("--count") < out.index("--kind") < out.index("How:") < out.index("--[no]loud")
    assert "how many there are (default: 3)" in out
    assert "a, b. which (default: a)" in out


def test_quiet_startup_hides_native_output_unless_it_fails(capfd):
    with app.quiet_startup():
        os.write(2, b"chatter\n")
        print("more", file=sys.stderr, flush=True)
    assert capfd.readouterr().err.replace("more\n", "") == ""
    with pytest.raises(RuntimeError), app.quiet_startup():
        os.write(2, b"a clue\n")
        raise RuntimeError
    assert "a clue" in capfd.readouterr().err
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_native_output_is_shown_where_it_is_asked_for(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with app.quiet_startup():
        os.write(2, b"chatter\n")
    assert "chatter" in capfd.readouterr().err


PATHS = flags.FlagValues()
flags.DEFINE_string("path", "", "a path", flag_values=PATHS, module_name="What")
flags.DEFINE_list("paths", [], "several", flag_values=PATHS, module_name="What")


@pytest.fixture
def run_with_paths(capsys):
    """`run_with_paths(*arguments)`: exit code, the paths that a command gets, and stderr."""

    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            app.run(lambda: print([PATHS.path, *PATHS.paths]), ["tool.py", *arguments], PATHS)
        out, err = capsys.readouterr()
        return stop.value.code or 0, out, err

    return call


def test_paths_are_found_in_either_form_of_unicode(run_with_paths, tmp_path):
    (tmp_path / "cafe\u0301").mkdir()
    asked, there = tmp_path / "caf\u00e9" / "run", tmp_path / "cafe\u0301" / "run"
    code, out, _ = run_with_paths(f"--path={asked}", f"--paths=a,{asked}")
    assert code == 0
    assert out == "[{0!r}, 'a', {0!r}]\n".format(str(there))


@pytest.mark.parametrize("argument", ["--path=runs/caf\udce9", "--paths=a,caf\udce9", "--path=\ud800"])
def test_paths_that_cannot_be_written_are_named(run_with_paths, argument):
    code, out, err = run_with_paths(argument)
    assert (code, out) == (2, "")
    name = argument.partition("=")[0]
    assert err.startswith(f"tool: {name} must be written in UTF-8; rename the file or folder. Received: '")
    assert err.count("\n") == 1
    assert "\\ud" in err


def test_what_a_command_prints_of_strangers_changes_no_terminal(run):
    def main():
        print("class \x1b[31mred\x1b[0m\x9b2J\u202e")
        print("\r\x1b[K3 of 4", file=sys.stderr)

    assert run(main) == (0, "class \\x1b[31mred\\x1b[0m\\x9b2J\\u202e\n", "\\r\\x1b[K3 of 4\n")
    assert not isinstance(sys.stdout, app.PrintableStream)


def test_a_home_is_written_out_as_shells_leave_it_in_flags(run, monkeypatch):
    monkeypatch.setenv("HOME", "/somebody")
    values = flags.FlagValues()
    for name in ("where", "data", "other"):
        flags.DEFINE_string(name, "", "a path", flag_values=values)
    seen = []
    with pytest.raises(SystemExit):
        app.run(
            lambda: seen.append((values.where, values.data, values.other)),
            ["tool", "--where=~/runs", "--data=~/pictures", "--other=~nobody-of-this-name"], values,
        )  # fmt: skip
    assert seen == [("/somebody/runs", "/somebody/pictures", "~nobody-of-this-name")]


def test_names_of_files_are_utf8_whatever_the_locale_and_words_keep_its_encoding(tmp_path):
    """TensorFlow takes names as UTF-8; and the arguments and options of Python stay."""
    (tmp_path / "tool.py").write_text(
        "import sys\n"
        "from absl import flags\n"
        "from stylegan_tf.cli import app\n"
        "NAME = flags.DEFINE_string('name', '', 'a name')\n"
        "def main():\n"
        "    print(sys.getfilesystemencoding(), sys.stdout.encoding, sys.flags.dev_mode, NAME.value)\n"
        "    open(NAME.value, 'w').close()\n"
        "app.run(main)\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "tool.py", "--name=\u00e4"], capture_output=True, cwd=tmp_path, check=False, env={
            **os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(ROOT),
        },
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"utf-8 ascii True \\xe4\n"
    assert (tmp_path / "\u00e4").exists()


@pytest.mark.parametrize("script", ["train.py", "export.py"])
@pytest.mark.slow
def test_scripts_find_the_package_where_python_does_not_look_beside_them(tmp_path, script):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", str(ROOT / script), "--help"], cwd=tmp_path, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_current_directory_that_was_deleted_is_no_bug(tmp_path):
    (tmp_path / "gone").mkdir()
    done = subprocess.run(
        ["bash", "-c", 'cd gone; rmdir ../gone; "$0" "$1" --run_dir=runs/none --output_dir=exports',
         sys.executable, str(ROOT / "export.py")],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith("export: ")
    assert done.stderr.count("\n") == 1
