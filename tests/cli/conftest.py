"""What tests of commands share: running one in this process."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from stylegan_tf.cli import app


@pytest.fixture
def run_command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`run_command(module, *arguments, **flags)` runs a command of its own flags: exit code, stdout, stderr."""

    def call(module: ModuleType, *arguments: Any, **values: Any) -> tuple[int, str, str]:
        words = [*map(str, arguments), *(f"--{name}={value}" for name, value in values.items())]
        name = module.__name__.rpartition(".")[2]
        with pytest.raises(SystemExit) as stop:
            app.run(module.main, [f"some/where/{name}.py", *words], module.FLAGS)
        out, err = capsys.readouterr()
        return stop.value.code or 0, out, err

    return call
