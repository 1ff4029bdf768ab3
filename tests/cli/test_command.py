"""The command stylegan-tf: its words, its help, what it answers to other words, and what shells complete."""

import importlib
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stylegan_tf import __version__, invocation
from stylegan_tf.cli import command, completion

ROOT = Path(__file__).resolve().parents[2]


def run(*words, **options):
    words = [sys.executable, "-m", "stylegan_tf", *words]
    return subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, **options)


def exit_of(capsys, *words):
    """Exit code, stdout, stderr of a call in this process that runs no command."""
    with pytest.raises(SystemExit) as stop:
        command.main(words)
    return stop.value.code, *capsys.readouterr()


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_help_has_a_line_for_each_command(capsys, words):
    code, out, _ = exit_of(capsys, *words)
    lines = out.splitlines()
    assert code == 0
    for name, what in command.COMMANDS.items():
        (line,) = (line for line in lines if line.startswith(f"  {name} "))
        assert line.endswith(what) and len(line) <= 80


def test_help_imports_nothing_that_is_slow():
    code = (
        "import sys\nfrom stylegan_tf.cli import command\ncommand.overview()\n"
        "print([name for name in ('tensorflow', 'keras', 'numpy', 'absl', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("words", [["train.py"], ["export.py", "--help"], ["-m", "stylegan_tf", "sample"]], ids=str)
def test_another_python_is_told_in_one_line(words):
    """One without the packages, as where an environment was not activated."""
    done = subprocess.run(
        [sys.executable, "-S", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"{sys.executable}, must have the packages" in done.stderr
    assert "tensorflow. Activate the environment" in done.stderr


def test_without_words_the_help_is_a_mistake(capsys):
    code, out, _ = exit_of(capsys)
    assert code == 2 and out.startswith("usage: stylegan-tf COMMAND")


def test_version(capsys):
    assert exit_of(capsys, "--version") == (0, f"stylegan-tf {__version__}\n", "")


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("trian", "Received: 'trian'. Did you mean train?"),
        ("generate", "Received: 'generate'. Did you mean sample?"),
        ("zzz", "Received: 'zzz'."),
        ("--data=x", "the first word must be a command, such as train; flags come after it. Received: '--data=x'."),
    ],
)
def test_other_words(capsys, word, answer):
    code, _, err = exit_of(capsys, word)
    assert code == 2 and answer in err and err.count("\n") == 1


@pytest.mark.parametrize("name", command.COMMANDS)
def test_every_command_is_a_module_that_runs(name):
    assert callable(importlib.import_module(f"stylegan_tf.cli.{name}").run)


@pytest.mark.slow
def test_a_command_gets_its_flags(tmp_path):
    done = run("train", "--data=nowhere", f"--run_dir={tmp_path / 'run'}", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("stylegan-tf train: ") and "nowhere" in done.stderr
    shown = run("help", "sample")
    assert shown.returncode == 0 and "--truncation_psi" in shown.stdout
    assert f"{invocation.command('sample')} --run_dir=RUN" in shown.stdout


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["train", "--gpus=2"], "Unknown command line flag 'gpus'. Here it is --num_devices. See --help."),
        (["train", "--lr=1"], "Here it is --learning_rate."),
        (["train", "--outdir=x"], "Here it is --run_dir."),
        (["sample", "--outdir=x"], "Here it is --output."),
        (["train", "--mixed_precision"], "Here it is --dtype_policy=mixed_bfloat16."),
        (["train", "--resume=x"], "flag 'resume'. Here the same command again resumes its run; --initialize_from"),
        (
            ["train", "--learning_rat=1"],
            "Did you mean learning_rate, learning_rate_limit, learning_rate_parts, learning_rate_rampup_kimg?",
        ),
        (["train", "--preset=tiny-stylgan1"], "Received: preset=tiny-stylgan1. Did you mean tiny-stylegan1"),
    ],
)
def test_what_people_type_from_habit(capsys, words, hint):
    code, _, err = exit_of(capsys, *words)
    assert code == 2 and hint in err and err.count("\n") == 1


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_completion(capsys, tmp_path, shell):
    code, out, _ = exit_of(capsys, "completion", shell)
    assert code == 0
    assert all(name in out for name in command.COMMANDS) and "truncation_psi" in out and "stylegan2-ada" in out
    if shutil.which(shell):
        (tmp_path / "script").write_text(out)
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True, timeout=60)


def test_bash_completes(tmp_path, capsys):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    (tmp_path / "script").write_text(exit_of(capsys, "completion", "bash")[1])
    answers = {
        "stylegan-tf tr": "train",
        "stylegan-tf train --preset=stylegan2-a": "stylegan2-a stylegan2-ada",
        "stylegan-tf dataset ins": "inspect",
        "stylegan-tf sample --truncation_p": "--truncation_psi=",
    }
    for line, expected in answers.items():
        code = (
            f"source {tmp_path}/script; compopt() {{ :; }}; COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; "
            f"COMP_WORDS=({line}); COMP_CWORD={len(line.split()) - 1}; _stylegan_tf; echo ${{COMPREPLY[*]}}"
        )
        done = subprocess.run([bash, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.strip() == expected


def test_without_a_shell_completion_names_them(capsys):
    code, _, err = exit_of(capsys, "completion")
    assert code == 2 and "name a shell: bash, zsh, fish. Received: nothing." in err


@pytest.mark.parametrize(("there", "called"), [("/bin/stylegan-tf", "stylegan-tf"), (None, sys.executable)])
def test_commands_are_called_as_they_can_be_here(monkeypatch, there, called):
    monkeypatch.setattr(invocation.shutil, "which", lambda name: there if name == invocation.PROGRAM else None)
    invocation._program.cache_clear()
    module = "" if there else " -m stylegan_tf"
    assert invocation.command("sample --seeds=1") == f"{shlex.quote(called)}{module} sample --seeds=1"
    invocation._program.cache_clear()
