"""What the export command refuses before it reads anything."""

import os

import pytest

from stylegan_tf.cli import app, export


def test_a_folder_whose_name_cannot_be_written_is_named(tmp_path, monkeypatch, capsys):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    monkeypatch.chdir(os.fsdecode(folder))
    with pytest.raises(SystemExit) as stop:
        app.run(export.main, ["export.py", "--run_dir=run", "--output_dir=exports"], export.FLAGS)
    error = capsys.readouterr().err
    assert (stop.value.code, error.count("\n")) == (2, 1)
    assert error.startswith("export: output_dir must lie in folders whose names are written in UTF-8. Received: ")
