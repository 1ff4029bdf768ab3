"""What the export command refuses before it reads anything."""

import os

from stylegan_tf.cli import export


def test_a_folder_whose_name_cannot_be_written_is_named(tmp_path, monkeypatch, run_command):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    monkeypatch.chdir(os.fsdecode(folder))
    code, _, error = run_command(export, run_dir="run", output_dir="exports")
    assert (code, error.count("\n")) == (2, 1)
    assert error.startswith("export: output_dir must lie in folders whose names are written in UTF-8. Received: ")
