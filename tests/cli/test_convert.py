"""The convert command as people run it, and what can be done with its runs."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import json
import os
import pathlib
import pickle
import re
import shutil
import threading
import zipfile

import numpy as np
import pytest
from test_train_command import train
from tiny_run import write_images

from stylegan_tf.cli import convert, evaluate
from stylegan_tf.cli.export import export_run
from stylegan_tf.pretrained.read import read_published_file
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.runs.load import load_run
from stylegan_tf.training import conversion
from stylegan_tf.training.conversion import plan_conversion

PICKLES = pathlib.Path(__file__).parents[1] / "reference" / "pickles"
STYLEGAN, PROGAN = PICKLES / "stylegan1_2019style.pkl", PICKLES / "progan2018_2018style.pkl"
STYLEGAN2, WITH_LABELS = PICKLES / "stylegan2_ada_2021style.pkl", PICKLES / "stylegan2_ada_cond4_2021style.pkl"


@pytest.fixture
def command(run_command):
    """`command(*flags)`: exit code, stdout, stderr."""
    return functools.partial(run_command, convert)


@pytest.fixture
def converted(command, tmp_path):
    """`converted(pickle)`: the directory of its run."""

    def make(pickle):
        run = tmp_path / f"run-{pickle.stem}"
        assert command(f"--pickle={pickle}", f"--output_dir={run}")[0] == 0
        return run

    return make


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """`run_of(pickle)`: the same, made once, for tests that write nothing there."""

    @functools.cache
    def make(pickle):
        run, file = tmp_path_factory.mktemp("runs") / pickle.stem, read_published_file(pickle)
        conversion.convert(file, plan_conversion(file, run))
        return run

    return make


@pytest.mark.slow
def test_what_is_printed(command, tmp_path):
    code, out, err = command(f"--pickle={WITH_LABELS}", f"--output_dir={tmp_path / 'run'}")
    assert (code, err) == (0, "")
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in out.splitlines() if line.startswith("  ")}
    assert lines["Images"] == "16x16 RGB, from 4x4"
    assert lines["Maps"] == "8, 8, 8 by resolution"
    assert lines["Latents"] == "z 16, w 16, 8 mapping layers that learn at 0.01"
    assert lines["Labels"] == "4 classes, as stylegan2-ada has them"
    assert lines["Design"] == "skip generator, resnet critic"
    assert lines["Resampling"] == "filter 1,3,3,1; clamp at 256"
    assert lines["Augment"] == "blit,geometry,color, strength 0.375"
    assert "Arrays taken: generator 70 of 70, critic 46 of 46, generator_ema 70 of 70." in out
    assert "licence" in out


@pytest.mark.usefixtures("warm_clean_processes")
@pytest.mark.slow
def test_the_commands_that_are_printed_run(converted, tmp_path):
    """The run is one like any other: figures, export, more training, and a new run from it."""
    run = converted(STYLEGAN2)
    version = export_run(run, tmp_path / "export")
    assert json.loads((version / "assets.extra" / "model.json").read_text())["kimg"] == 0
    images = write_images(tmp_path / "images", 24, (16, 16))
    shorter = ["--total_kimg=0.016", "--batch_size=8", "--dtype_policy=float32"]
    code, out, err = train(f"--preset={run}/config.json", f"--data={images}", *shorter, "--augment_transforms=blit")
    assert code == 0, err
    assert f"Starting from the converted networks in {run}" in out and "adaptive from 0.375, target" in out
    assert RunDirectory(run).read_dataset().count == 24
    assert load_run(run).images_seen == 16
    new = [f"--preset={run}/config.json", f"--initialize_from={run}", f"--data={images}", *shorter]
    code, out, err = train(*new, f"--run_dir={tmp_path / 'new'}", "--augment=off", "--path_length_weight=0")
    assert code == 0, err
    assert re.search(r"generator: (\d+) of \1 arrays taken", out)
    assert re.search(r"critic: (\d+) of \1 arrays taken", out)


@pytest.mark.slow
def test_the_first_training_may_not_change_the_networks(converted, tmp_path):
    run = converted(WITH_LABELS)
    images = write_images(tmp_path / "images", 8, (16, 16))
    for flags, words in {
        (f"--data={images}", "--nouse_labels"): "use_labels was True, is now False",
        ("--data=portraits",): "4 classes. Received: 16x16, 3 channels, 3 classes",
        ("--mapping_layers=3", "--data=portraits"): "mapping_layers was 8, is now 3",
        (): "data must be given, as in --data=PICTURES",
    }.items():
        code, _, err = train(f"--preset={run}/config.json", *flags)
        assert (code, err.count("\n")) == (2, 1), err
        assert words in err
    assert sorted(path.name for path in run.iterdir()) == ["checkpoints", "config.json", "dataset.json"]


@pytest.mark.slow
def test_evaluation_asks_for_the_real_images(run_of, run_command):
    code, _, err = run_command(evaluate, run_dir=run_of(PROGAN), metrics="msssim2k")
    assert code == 2
    assert "--data must name the real images" in err


def test_the_list(command):
    code, out, err = command("--list")
    assert (code, err) == (0, "")
    assert "stylegan2-ada-ffhq" in out and "non-commercial" in out


@pytest.mark.parametrize("network", ["generator_ema", "generator", "critic"])
@pytest.mark.parametrize("pickle", [STYLEGAN, PROGAN, STYLEGAN2, WITH_LABELS], ids=lambda path: path.stem)
@pytest.mark.slow
def test_safetensors_have_every_array_as_it_was(command, run_of, tmp_path, pickle, network):
    safetensors = pytest.importorskip("safetensors")
    target = tmp_path / "out.safetensors"
    code, out, err = command(f"--run_dir={run_of(pickle)}", f"--safetensors={target}", f"--network={network}")
    assert (code, err) == (0, "")
    wanted = {
        name: array
        for name, array in read_published_file(pickle).networks[network].arrays.items()
        if name.split("/")[-1] != "lod"
    }
    with safetensors.safe_open(target, "np") as file:
        metadata = file.metadata()
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    assert metadata["network"] == network
    assert f"{len(wanted)} arrays" in out
    if pickle == WITH_LABELS:
        arguments = json.loads(metadata["arguments"])
        assert (arguments["c_dim"], arguments["img_resolution"]) == (4, 16)
        assert arguments.get("synthesis_kwargs", arguments)["conv_clamp"] == 256


def test_a_damaged_run_gives_no_safetensors(command, tmp_path):
    code, _, err = command(f"--run_dir={tmp_path}", f"--safetensors={tmp_path / 'x.safetensors'}")
    assert (code, err.count("\n")) == (2, 1)
    assert not list(tmp_path.iterdir())


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def served_folder(tmp_path):
    """What the server serves: the reference pickles, at first."""
    return shutil.copytree(PICKLES, tmp_path / "served")


@pytest.fixture
def server(served_folder):
    """Its address."""
    handler = functools.partial(_Quiet, directory=str(served_folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()


@pytest.mark.slow
def test_a_url(command, server, tmp_path):
    checksum = hashlib.sha256(PROGAN.read_bytes()).hexdigest()
    url, cache = f"{server}/{PROGAN.name}", f"--cache_dir={tmp_path / 'cache'}"
    code, out, err = command(f"--url={url}", f"--output_dir={tmp_path / 'a'}", cache)
    assert (code, err.count("\n")) == (2, 1)
    assert "must begin with https://, or state the checksum of its file" in err and not (tmp_path / "a").exists()
    code, out, err = command(f"--url={url}#sha256={checksum}", f"--output_dir={tmp_path / 'a'}", cache)
    assert (code, err) == (0, "")
    assert f"SHA-256 {checksum}\n" in out
    code, out, err = command(f"--url={url}#sha256={checksum}", f"--output_dir={tmp_path / 'b'}", cache)
    assert (code, err) == (0, "")
    assert "is there already" in out
    code, _, err = command(f"--url={url}#sha256={'0' * 64}", f"--output_dir={tmp_path / 'c'}", cache)
    assert (code, err.count("\n")) == (2, 1)
    assert checksum in err and not (tmp_path / "c").exists()
    code, _, err = command(f"--url={server}/none.pkl#sha256={checksum}", f"--output_dir={tmp_path / 'c'}", cache)
    assert (code, err.count("\n")) == (2, 1)
    assert "404" in err


@pytest.mark.slow
def test_a_server_that_sends_something_else(command, server, served_folder, tmp_path):
    served, cache = served_folder / "x.pkl", tmp_path / "cache"

    def command_for_it():
        url = f"{server}/x.pkl#sha256={hashlib.sha256(served.read_bytes()).hexdigest()}"
        return command(f"--url={url}", f"--output_dir={tmp_path / 'a'}", f"--cache_dir={cache}")

    served.write_text("Come back tomorrow")
    code, _, err = command_for_it()
    assert (code, err.count("\n")) == (2, 1)
    assert "must be the address of a pickle; nothing was kept: received a file that does not begin as" in err
    assert not list((cache / "pretrained").iterdir())
    served.write_bytes(PROGAN.read_bytes()[:5000])
    code, _, err = command_for_it()
    assert (code, err.count("\n")) == (2, 1)
    assert "nothing was kept: received one that is cut short" in err
    assert not list((cache / "pretrained").iterdir())
    served.write_bytes(pickle.dumps(5))
    code, _, err = command_for_it()
    assert (code, err.count("\n")) == (2, 1)
    assert f"It came from {server}/x.pkl#sha256=" in err and ": delete the file to download it again." in err
    (kept,) = (cache / "pretrained").iterdir()
    kept.unlink()
    served.write_bytes(PROGAN.read_bytes())
    code, _, err = command_for_it()
    assert (code, err) == (0, "")


def test_names_in_addresses(command, server, served_folder, tmp_path):
    """Letters beyond ASCII, blanks, a scheme in capitals; and what would change a terminal is in no file's name."""
    cache = tmp_path / "cache"
    for number, (name, address) in enumerate(
        [("kätzchen 2.pkl", "kätzchen 2.pkl"), ("hünde.pkl", "h%C3%BCnde.pkl"), ("a\n\x1b[2J.pkl", "a%0a%1b%5b2J.pkl")]
    ):
        shutil.copy(PROGAN, served_folder / name)
        url = f"{server.replace('http', 'HTTP')}/{address}"
        url += f"#sha256={hashlib.sha256(PROGAN.read_bytes()).hexdigest()}"
        code, out, err = command(f"--url={url}", "--dry_run", f"--cache_dir={cache}")
        assert (code, err) == (0, "")
        assert all(line.isprintable() for line in out.splitlines())
        assert len(list((cache / "pretrained").iterdir())) == number + 1
    assert sorted(path.name.split("-")[1] for path in (cache / "pretrained").iterdir()) == [
        "a_2J.pkl",
        "hünde.pkl",
        "kätzchen_2.pkl",
    ]


def test_mistakes(command, tmp_path):
    (tmp_path / "text.pkl").write_text("not a pickle")
    (tmp_path / "empty.pkl").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "zip.pkl", "w") as archive:
        archive.writestr("a", "b")
    (tmp_path / "cut.pkl").write_bytes(STYLEGAN.read_bytes()[:5000])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    run = tmp_path / "run"
    for flags, words in {
        (): "give one of --pickle, --url and --run_dir (or --list). Received: none.",
        (f"--pickle={STYLEGAN}",): "--output_dir must be given with --pickle",
        (f"--pickle={STYLEGAN}", "--url=x", f"--output_dir={run}"): "give one of",
        (f"--run_dir={run}", f"--output_dir={run}"): "--safetensors must be given with --run_dir",
        (
            f"--pickle={STYLEGAN}",
            f"--output_dir={run}",
            "--network=critic",
        ): "--network cannot be combined with --pickle",
        (f"--run_dir={run}", "--safetensors=x.safetensors", "--skip_critic"): "--skip_critic cannot be combined with",
        (f"--pickle={STYLEGAN}", f"--output_dir={tmp_path / 'text.pkl' / 'x'}"): "--output_dir must be where files",
        (f"--run_dir={run}", f"--safetensors={tmp_path / 'text.pkl' / 'x'}"): "--safetensors must be where files",
        ("--url=http://me:secret@localhost/x.pkl", f"--output_dir={run}"): "--url must be without user and password",
        ("--url=http://[::1", f"--output_dir={run}"): "--url must be an address. Received: 'http://[::1'",
        ("--url=ftp://localhost/x.pkl", f"--output_dir={run}"): "--url must begin with http:// or https://",
        ("--pickle=/dev/null", f"--output_dir={run}"): "received a pipe or a device",
        (
            f"--pickle={STYLEGAN}",
            f"--output_dir={run}",
            "--safetensors=x",
        ): "--safetensors cannot be combined with --pickle",
        (f"--run_dir={run}", "--safetensors=x.pt"): "must be a file's name ending with .safetensors",
        (f"--run_dir={run}", "--safetensors=x.safetensors"): "must be the directory of a run",
        (f"--pickle={tmp_path / 'none.pkl'}", f"--output_dir={run}"): "No such file or directory",
        (f"--pickle={tmp_path}", f"--output_dir={run}"): "received a directory",
        (f"--pickle={tmp_path / 'text.pkl'}", f"--output_dir={run}"): "text.pkl must be a sound pickle",
        (f"--pickle={tmp_path / 'empty.pkl'}", f"--output_dir={run}"): "empty.pkl must be a sound pickle",
        (f"--pickle={tmp_path / 'zip.pkl'}", f"--output_dir={run}"): "zip.pkl must be a sound pickle",
        (f"--pickle={tmp_path / 'cut.pkl'}", f"--output_dir={run}"): "cut.pkl must be a sound pickle",
        (f"--pickle={STYLEGAN}", f"--output_dir={tmp_path / 'full'}"): "--output_dir must be new or empty",
        (f"--url=file://{STYLEGAN}", f"--output_dir={run}"): "--url must begin with http:// or https://",
        (f"--pickle={STYLEGAN}", "--output_dir=/"): "--output_dir must be new or empty",
        ("--url=stylegan2-ada-ffqh", f"--output_dir={run}"): "such as stylegan2-ada-ffhq",
    }.items():
        code, out, err = command(*flags)
        assert (code, err.count("\n")) == (2, 1), (flags, err)
        assert words in err and out == "", (flags, out, err)
    assert not run.exists()
    assert not list(tmp_path.glob(".*"))


def test_what_a_file_holds_without_a_run(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = command(f"--pickle={STYLEGAN2}", "--dry_run")
    assert (code, err) == (0, "")
    assert out.startswith(f"{STYLEGAN2}\n  Format ") and "16x16 RGB" in out and "Wrote" not in out
    assert not list(tmp_path.iterdir())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    code, _, err = command(f"--pickle={STYLEGAN2}", "--dry_run", f"--output_dir={tmp_path / 'full'}")
    assert code == 2 and "must be new or empty" in err
    code, _, err = command("--run_dir=run", "--dry_run")
    assert code == 2 and "--dry_run cannot be combined with --run_dir" in err


@pytest.mark.parametrize(
    ("data", "count", "line"),
    [
        ("cats.zip", 1200, "  Trained on  cats.zip, 1,200 images"),
        ("cats.zip", 0, "  Trained on  cats.zip"),
        ("", 9, None),
    ],
)
def test_what_a_file_says_of_its_data(data, count, line):
    file = dataclasses.replace(read_published_file(STYLEGAN2), data=data, num_images=count)
    lines = convert.describe_conversion(file, plan_conversion(file, "run")).splitlines()
    assert [found for found in lines if "Trained on" in found] == ([line] if line else [])


@pytest.mark.slow
def test_links_to_places_that_are_empty(command, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new"):
        link = tmp_path / f"link_to_{name}"
        link.symlink_to(tmp_path / name)
        code, _, err = command(f"--pickle={STYLEGAN2}", f"--output_dir={link}")
        assert (code, err) == (0, "")
        assert link.is_symlink() and load_run(tmp_path / name).images_seen == 0
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    code, _, err = command(f"--pickle={STYLEGAN2}", "--output_dir=.")
    assert code == 2 and "must not be the current directory" in err


@pytest.mark.slow
def test_the_critic_can_be_left_out(command, tmp_path):
    code, out, _ = command(f"--pickle={STYLEGAN2}", f"--output_dir={tmp_path / 'run'}", "--skip_critic")
    assert code == 0
    assert "the critic is new" in out and "critic 28" not in out


def test_a_folder_whose_name_cannot_be_written_is_named(tmp_path, monkeypatch):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    monkeypatch.chdir(os.fsdecode(folder))
    with pytest.raises(ValueError, match=r"written in UTF-8\. Received: '.*caf\\udce9/run'"):
        convert.check_output(pathlib.Path("run"))
