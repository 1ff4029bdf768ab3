"""The command push, and networks of a hub in other commands, against a stand-in of a hub."""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import pytest
import warm_python
from PIL import Image
from stand_in_hub import hub_of_this_process, running_hub
from test_sample import make_run

from stylegan_tf.cli import app, embeddings, evaluate, push, sample
from stylegan_tf.runs.directory import RunDirectory

pytest.importorskip("huggingface_hub")
pytest.importorskip("safetensors")

TO = "hf://ada/net"
RESULT = {
    "protocol": "kd2k",
    "values": {"mean": 0.51},
    "floor": {"mean": 0.02},
    "lower_is_better": True,
    "network": "",
    "network_sha256": "",
    "fakes": 2000,
    "reals": 2000,
    "seed": 0,
    "noise": "seed",
    "source": "run",
    "path": "/data/ada/run",
    "images_seen": 900,
    "image_size": "8x8",
    "data": "/data/ada/pictures",
    "data_fingerprint": "",
    "seconds": 1.0,
    "version": "0.1.0",
    "measured_at": "2026-01-01",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "plain"
    make_run(path)
    lines = [RESULT, {**RESULT, "images_seen": 100, "protocol": "of-another-state"}]
    RunDirectory(path).results_file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with hub_of_this_process(monkeypatch, tmp_path / "home") as running:
        yield running


@pytest.fixture
def command(capsys, run, monkeypatch):
    """`command(*words)`: exit code, stdout, stderr of push with the run; without pictures, which take long."""
    monkeypatch.setattr("stylegan_tf.hub.push._draw_samples", lambda run, file: file.write_bytes(b"drawn") and range(4))

    def call(*words):
        with pytest.raises(SystemExit) as stop:
            app.run(push.main, ["push", *map(str, words)], push.FLAGS, push.WORDS)
        return stop.value.code or 0, *capsys.readouterr()

    return call


def refused(command, *words):
    code, _, err = command(*words)
    assert (code, err.count("\n")) == (2, 1), err
    return err


def test_one_commit_of_all_files(hub, command, run):
    code, out, err = command(run, TO, "--message", "a first one", "--license=mit")
    assert (code, err) == (0, "")
    assert f"wrote {hub.url}/ada/net, of {run} at 0.9 kimg:" in out
    assert sorted(hub.files("ada/net")) == ["README.md", "config.json", "model.safetensors", "samples.png"]
    assert len(hub.commits["ada/net"]) == 1 and hub.message == "a first one" and "ada/net" not in hub.private
    card = hub.files("ada/net")["README.md"].decode()
    assert "\nlicense: mit\n" in card and "| kd2k | mean | 0.5100 | 0.0200 | 2,000 |" in card
    assert "of-another-state" not in card and "/home/ada" not in card


def test_nothing_is_uploaded_that_is_there(hub, command, run):
    for _ in range(2):
        assert command(run, TO)[0] == 0
    assert len(hub.commits["ada/net"]) == 1
    assert sum(request.startswith("PUT") for request in hub.asked) == 2


def test_words_may_be_flags(hub, command, run):
    assert command("--dry_run", f"--to={TO}", run)[0] == 0
    assert "belongs to no flag" in refused(command, run, TO, "more")


def test_a_dry_run_asks_nobody(hub, command, run):
    code, out, err = command(run, TO, "--dry_run", "--private")
    assert (code, err, hub.asked, hub.commits) == (0, "", [], {})
    assert "library_name: stylegan-tf" in out and "A repository that is made would be private." in out
    assert "model.safetensors" in out and "license:" not in out


def test_without_a_licence_a_note_is_given(hub, command, run):
    code, _, err = command(run, TO)
    assert code == 0 and err.startswith("push: note: without --license the card")


def test_private(hub, command, run):
    assert command(run, TO, "--private")[0] == 0
    assert hub.private == {"ada/net"}
    hub.commit("ada/open", {"README.md": b"mine"})
    assert "must be private for --private" in refused(command, run, "hf://ada/open", "--private")
    assert hub.files("ada/open") == {"README.md": b"mine"}


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "there is no token; log in with `hf auth login`, or set HF_TOKEN"),
        ("wrong", "the hub refused the token"),
        ("reader", "the token does not allow that"),
    ],
)
def test_tokens(hub, command, run, monkeypatch, token, words):
    monkeypatch.setenv("HF_TOKEN", token)
    assert words in refused(command, run, TO)
    assert "ada/net" not in hub.commits


def test_a_repository_of_something_else_is_left_alone(hub, command, run):
    hub.commit("ada/bert", {"config.json": b'{"architectures": ["BertModel"]}'})
    assert "must be new, or hold a network that `push` wrote" in refused(command, run, "hf://ada/bert")
    hub.commit("ada/weights", {"model.safetensors": b"theirs"})
    assert "must be new, or hold a network that `push` wrote" in refused(command, run, "hf://ada/weights")
    assert len(hub.commits["ada/bert"]) == len(hub.commits["ada/weights"]) == 1


@pytest.mark.parametrize(
    ("part", "status", "words"),
    [("/commit/", 400, "HTTP 400"), ("/objects/", 400, "HTTP 400"), ("/preupload/", 403, "does not allow that")],
)
def test_an_upload_that_fails_changes_nothing(hub, command, run, part, status, words):
    hub.status[part] = status
    assert words in refused(command, run, TO)
    assert hub.files("ada/net") == {}


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["RUN"], "--to must be given"),
        (["RUN", "ada/net"], "must be hf://USER/NAME"),
        (["RUN", f"{TO}@v1"], "push writes to the main branch"),
        (["nowhere", TO], "must be the directory of a run"),
        (["hf://ada/other", TO], "must be the directory of a run on this machine"),
        (["RUN", TO, "--license=Mine, all"], "--license must be a short name"),
        (["RUN", TO, "--license=no-such-licence"], '"license" must be one of'),
        (["RUN", TO, "--checkpoint=7"], "checkpoint must be newest, best, all, or one of the kimg"),
    ],
)
def test_mistakes(hub, command, run, words, answer):
    assert answer in refused(command, *(run if word == "RUN" else word for word in words))
    assert hub.files("ada/net") == {} if "ada/net" in hub.commits else True


@pytest.mark.parametrize("package", ["huggingface_hub", "safetensors"])
def test_without_the_extra_it_says_what_to_install(monkeypatch, hub, command, run, package, run_command):
    monkeypatch.setitem(sys.modules, package, None)
    assert "Install them with: pip install" in refused(command, run, TO)
    code, _, err = run_command(sample, run_dir=TO, output="x.png")
    assert (code, err.count("\n")) == (2, 1) and "Install them with: pip install" in err


@pytest.mark.slow
def test_a_network_of_a_hub_is_sampled(hub, command, run, run_command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command(run, TO)[0] == 0
    pictures = []
    for source in (run, TO):
        assert run_command(sample, run_dir=source, seeds="0-3", output="grid.png")[0] == 0
        pictures.append(np.asarray(Image.open("grid.png")))
    np.testing.assert_array_equal(*pictures)
    code, out, _ = run_command(sample, run_dir=TO, seeds="0-3")
    assert code == 0 and out.startswith("wrote figures/net/grid.png: 4 images of 8x8") and f"by {TO} at 0.9 kimg" in out


@pytest.mark.parametrize(
    ("module", "flags", "words"),
    [
        (sample, {"checkpoint": "best"}, "of a hub choose hf://USER/NAME@REVISION"),
        (evaluate, {}, "--data must name the real images, which no hub holds"),
        (embeddings, {}, "must be the directory of a run on this machine"),
    ],
)
def test_what_other_commands_want_of_a_hub(hub, run_command, module, flags, words):
    code, _, err = run_command(module, run_dir=TO, **flags)
    assert code == 2 and words in err and hub.asked == []


@pytest.mark.slow
def test_as_a_user_runs_it(run, tmp_path):
    """In processes of their own, where HF_ENDPOINT and HF_HOME say where the hub and the cache are."""
    with running_hub() as hub:
        names = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}

        def call(*words, **more):
            environment = {**os.environ, **names, **more}
            words = [sys.executable, *map(str, words)]
            return warm_python.run(words, capture_output=True, text=True, timeout=300, check=True, env=environment)

        call("-m", "stylegan_tf", "push", run, TO, "--license=mit", HF_TOKEN="writer")
        code = (
            "import stylegan_tf, sys; print(stylegan_tf.load_generator(sys.argv[1]).images([1, 2]).sum(axis=(1, 2, 3)))"
        )
        sums = [call("-c", code, source).stdout for source in (TO, run)]
        assert sums[0] == sums[1] and sums[0].startswith("[")
