"""The notebook: its form, what it says where something is missing, and a run of it to the end."""

import importlib.metadata
import itertools
import os
import re
import subprocess
from pathlib import Path

import nbformat
import pytest
import warm_python
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient
from tiny_run import write_images

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "examples" / "stylegan_tf.ipynb"
TIMEOUT_S = 600


@pytest.fixture
def notebook():
    return nbformat.read(FILE, as_version=4)


def sources(notebook, kind="code"):
    """Of its cells, by their ids."""
    return {cell.id: cell.source for cell in notebook.cells if cell.cell_type == kind}


def names_of(cell):
    """What the lines of a cell assign."""
    return re.findall(r"(?m)^(\w+) = ", cell)


def run_cell(source, **names):
    """Runs a cell without a kernel; what it defines."""
    exec(TransformerManager().transform_cell(source), names)
    return names


def test_it_is_a_notebook_without_traces_of_a_run(notebook):
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"accelerator", "kernelspec", "language_info"}
    assert notebook.metadata.kernelspec == {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert notebook.metadata.language_info == {"name": "python"}
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}, cell.id
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None, cell.id


def test_the_settings_come_first_and_are_all_used(notebook):
    (first, settings), *others = sources(notebook).items()
    assert first == "parameters"
    for name in names_of(settings):
        assert any(re.search(rf"\b{name}\b", cell) for _, cell in others), name


def test_every_cell_of_code_is_explained(notebook):
    """By the text before it."""
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds[0] == "markdown"
    assert all({before, kind} != {"code"} for before, kind in itertools.pairwise(kinds))


def test_the_pages_that_it_names_are_there(notebook):
    links = re.findall(r"\]\(([^)]+)\)", "\n".join(sources(notebook, "markdown").values()))
    assert links
    for link in links:
        assert (FILE.parent / link).exists(), link


def test_pictures_that_are_not_there_are_told(notebook, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "holidays").mkdir()
    names = {"DATA": "holiday", "RUN_DIR": "runs/notebook", "Path": Path, "Stop": RuntimeError}
    with pytest.raises(RuntimeError) as stop:
        run_cell(sources(notebook)["data"], **names)
    message = str(stop.value)
    assert "Received: 'holiday', which does not exist." in message
    assert f"{tmp_path} holds: holidays." in message
    assert not (tmp_path / "runs").exists()


def test_a_package_that_cannot_be_installed_is_told(notebook, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.metadata, "distributions", lambda **_: [])
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # as the cell does: it goes away at the end
    for repository, expected in (("", "Write the repository's address"), ("no/such/clone", "that git can clone")):
        with pytest.raises(Exception, match=expected) as stop:
            run_cell(sources(notebook)["install"], REPOSITORY=repository)
        assert stop.value._render_traceback_() == [str(stop.value)]


def test_it_installs_the_clone_that_it_lies_in(notebook, monkeypatch):
    monkeypatch.chdir(FILE.parent)
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # as the cell does: it goes away at the end
    assert run_cell(sources(notebook)["install"], REPOSITORY="")["find_clone"]() == ROOT


def test_a_command_that_fails_ends_its_cell(notebook, capfd):
    class Stop(Exception):
        pass

    cell = re.sub(r"(?m)^from stylegan_tf.*\n", "", sources(notebook)["helpers"])  # which would import TensorFlow
    command = run_cell(cell, Stop=Stop, subprocess=subprocess)["command"]
    with pytest.raises(Stop, match="stylegan-tf sample failed"):
        command("sample", "--run_dir=no/such/run")
    assert "no/such/run" in capfd.readouterr().out


@pytest.mark.slow
def test_it_runs_to_its_end(notebook, tmp_path):
    """On twenty pictures of 8x8, 13 steps."""
    write_images(tmp_path / "my pictures")
    tiny = {
        "DATA": "my pictures",
        "PRESET": "tiny",
        "RESOLUTION": 8,
        "KIMG": 0.1,
        "RUN_DIR": "runs/tiny",
        "EXPORT_DIR": "exports/tiny",
        "SETTINGS": ["--grid_interval_kimg=0.05", "--tensorboard_interval_kimg=0.02"],
        "REPOSITORY": "",
    }
    parameters = next(cell for cell in notebook.cells if cell.id == "parameters")
    assert names_of(parameters.source) == list(tiny)
    parameters.source = "\n".join(f"{name} = {value!r}" for name, value in tiny.items())
    helpers = next(cell for cell in notebook.cells if cell.id == "helpers")
    place = f"import sys; sys.path.append({str(Path(warm_python.__file__).parent)!r})"  # its commands are quick there
    helpers.source = f"{place}; import warm_python as subprocess\n{helpers.source}"
    client = NotebookClient(notebook, timeout=TIMEOUT_S, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env={**os.environ, "PYTHONPATH": str(ROOT)})

    printed, pictures = {}, {}
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        assert not any(output.get("name") == "stderr" for output in outputs), (cell.id, outputs)
        printed[cell.id] = "".join(output.text for output in outputs if output.output_type == "stream")
        pictures[cell.id] = [kind for output in outputs for kind in output.get("data", {}) if kind.startswith("image/")]
    assert "\r" not in "".join(printed.values())
    assert "20 pictures" in printed["data"] and "Finished 0.104 kimg" in printed["training"]
    assert "exports/tiny/1: every signature gives the images of the run" in printed["export"]
    assert int(re.search(r"run: (\d+) of 255", printed["loading"])[1]) <= 1
    assert {cell: kinds for cell, kinds in pictures.items() if kinds} == {
        "data": ["image/png"],
        "training": ["image/png"],
        "course": ["image/png", "image/gif"],
        "curves": ["image/png"],
        "images": ["image/png"],
        "truncation": ["image/png"],
        "mixing": ["image/png"],
        "interpolation": ["image/gif"],
        "loading": ["image/png"],
    }
