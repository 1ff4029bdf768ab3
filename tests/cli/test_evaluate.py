"""The evaluate command: on a run, an export, a directory; and what it refuses."""

import json
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from made_up import make_result
from PIL import Image
from tiny_run import tiny_config, write_images
from unverified import export_unverified

from stylegan_tf import load_generator
from stylegan_tf.cli import evaluate, sample
from stylegan_tf.evaluation import results as results_module
from stylegan_tf.evaluation.results import Result, append_results, read_results
from stylegan_tf.exports.layout import METADATA_FILE
from stylegan_tf.files import DiskError
from stylegan_tf.training.run import run_training


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("data") / "images", count=40)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "tiny"
    assert run_training(tiny_config(data=str(data), run_dir=str(path), power_averages="0.05,0.1")) == 0
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A model of one's own."""
    path = tmp_path_factory.mktemp("model") / "model.keras"
    keras.utils.set_random_seed(1)
    image = keras.Input([None, None, 3])
    x = keras.layers.Conv2D(6, 3, activation="relu")(keras.layers.Rescaling(1 / 255)(image))
    keras.Model(image, keras.layers.GlobalAveragePooling2D()(x)).save(path)
    return f"model={path}"


@pytest.fixture
def command(run_command, tmp_path):
    """`command(*arguments)`: exit code, stdout, stderr."""

    def call(*arguments, **values):
        words = evaluate.join_compared([*map(str, arguments)])
        return run_command(evaluate, *words, **{"cache_dir": tmp_path / "cache", **values})

    return call


METRICS = "fd1k_full_model,kd1k_full_model,pr1k3_full_model"


@pytest.mark.slow
def test_a_run(command, run, weights):
    file = run / "metrics.jsonl"
    file.unlink(missing_ok=True)
    code, out, err = command(run_dir=run, metrics=METRICS, weights=weights)
    assert (code, err) == (0, "")
    assert f"{run} at 0.096 kimg\n" in out
    assert f"added to {file}" in out
    results = read_results(file)
    assert [result.protocol for result in results] == METRICS.split(",")
    assert all(result.images_seen == 96 and result.reals == 40 and result.fakes == 1000 for result in results)
    rows = [line.split() for line in out.splitlines()]
    assert ["fd1k_full_model", "frechet_distance"] in [row[:2] for row in rows]
    assert ["recall"] in [row[:1] for row in rows]

    code, out, err = command(run_dir=run, metrics="fd1k_full_model", weights=weights)
    assert read_results(file)[3].values == results[0].values  # a seed repeats


@pytest.mark.slow
def test_averages_of_a_run(command, run, weights, tmp_path):
    """All that it stores, and one that is mixed; what is best is said with the flags that choose it."""
    file = tmp_path / "averages.jsonl"
    values = {"run_dir": run, "weights": weights, "metrics": "fd1k_full_model", "results": file}
    code, out, err = command(**values, average="all")
    assert (code, err) == (0, "")
    names = ("ema", "0.05", "0.1")
    results = {name: read_results(file, name) for name in names}
    assert [len(found) for found in results.values()] == [1, 1, 1]
    best = min(names, key=lambda name: results[name][0].value)
    value = results_module.number(results[best][0].value)
    assert f"Best by fd1k_full_model: {value} with --average={best} --checkpoint=0.096\n" in out
    assert len({found[0].value for found in results.values()}) == 3

    code, out, err = command(**values, average="0.1,0.07")
    assert code == 0
    assert "evaluate: note: average 0.07 is mixed of 6 averages of 3 checkpoints; its profile is off by " in err
    assert f"{run} at 0.096 kimg, average 0.07\n" in out
    one, other = (read_results(file, name)[-1].value for name in ("0.1", "0.07"))
    assert (one == results["0.1"][0].value) and (one != other)

    before = file.read_bytes()
    code, out, err = command(**values, average="ema,0.25")
    assert (code, out) == (2, "")
    assert "choose a length nearer to 0.05 or 0.1" in err
    assert file.read_bytes() == before


@pytest.mark.slow
def test_an_average_is_drawn_and_exported(run_command, run, tmp_path):
    pictures = {}
    for average in ("0.1", "0.07"):
        output = tmp_path / f"{average}.png"
        code, out, err = run_command(sample, run_dir=run, average=average, output=output, seeds="0-3")
        assert code == 0
        assert out.endswith(f"kimg, average {average}\n")
        assert ("note: average 0.07 is mixed of" in err) == (average == "0.07")
        pictures[average] = output.read_bytes()
    assert len(set(pictures.values())) == 2

    version = export_unverified(run, tmp_path / "export", average="0.1")
    assert json.loads((version / METADATA_FILE).read_text())["average"] == "0.1"
    exported, drawn, other = (
        load_generator(path, average=average).images([1, 2]).astype(int)
        for path, average in ((version, "ema"), (run, "0.1"), (run, "ema"))
    )
    assert np.abs(exported - drawn).max() <= 1
    assert np.abs(exported - other).max() > 1


@pytest.mark.slow
def test_checkpoints_of_a_run(command, run, weights, tmp_path):
    file = tmp_path / "all.jsonl"
    code, _, err = command(run_dir=run, metrics="fd1k_full_model", weights=weights, checkpoint="all", results=file)
    assert (code, err) == (0, "")
    assert [result.images_seen for result in read_results(file)] == [32, 64, 96]
    assert len({result.value for result in read_results(file)}) == 3
    code, _, err = command(run_dir=run, weights=weights, checkpoint="7", metrics="fd1k_full_model")
    assert code == 2
    assert "one of the kimg 0.032, 0.064, 0.096" in err


@pytest.mark.slow
def test_other_real_images(command, run, weights, tmp_path):
    other = write_images(tmp_path / "other", count=30, seed=5)
    (other / "clip.mov").write_bytes(b"no picture")
    code, out, err = command(
        run_dir=run, metrics="fd1k_full_model", weights=weights, data=other, results=tmp_path / "r.jsonl"
    )
    assert (code, err) == (0, "")
    assert f"{other}: left out: 1 other file (.mov 1)\n" in out
    result = read_results(tmp_path / "r.jsonl")[0]
    assert (result.data, result.reals) == (str(other), 30)


@pytest.mark.slow
def test_an_export(command, run, weights, tmp_path, monkeypatch):
    monkeypatch.setattr("stylegan_tf.serving.export.verify_export", lambda *_: None)  # another test's
    export_unverified(run, tmp_path / "export")
    file = tmp_path / "r.jsonl"
    code, _, err = command(
        "--metrics", "fd1k_full_model,ppl1k_wend_model", export=tmp_path / "export", weights=weights, results=file
    )
    assert (code, err) == (0, "")
    distance, length = read_results(file)
    assert (distance.source, distance.noise, distance.images_seen, distance.reals) == ("export", "fixed", 96, 40)
    assert length.value > 0


@pytest.mark.slow
def test_a_directory_of_images(command, data, weights, tmp_path):
    """Of another program, in another size; without a file, lines of JSON are printed."""
    images = tmp_path / "made"
    images.mkdir()
    random = np.random.default_rng(2)
    for number in range(1000):
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(images / f"{number}.png")
    code, out, err = command(images=images, data=data, metrics="fd1k_full_model", weights=weights)
    assert (code, err) == (0, "")
    line = json.loads(next(line for line in out.splitlines() if line.startswith("{")))
    assert (line["source"], line["images_seen"], line["noise"]) == ("images", None, "")
    assert line["data"] == str(data)


@pytest.mark.slow
def test_charts(command, tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("a", "b"):
        results = [make_result(kimg=at, precision=at / 10, recall=0.5) for at in (1.0, 2.0)]
        append_results(tmp_path / f"{name}.jsonl", results)
    output = tmp_path / "chart.png"
    code, out, err = command("--compare", tmp_path / "a.jsonl", tmp_path / "b.jsonl", f"--output={output}")
    assert (code, err) == (0, "")
    assert out == f"wrote {output}: 2 metrics of a.jsonl, b.jsonl\n"
    with Image.open(output) as picture:
        assert picture.width > picture.height


def test_the_list_of_protocols(command):
    code, out, _ = command("--list")
    assert code == 0
    for text in ("fid50k_full", "swd16k", "fd2k_full_efficientnet_lite0", "Fréchet distance between 50,000"):
        assert text in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give one of --run_dir, --export and --images"),
        (["--run_dir={run}", "--images={data}"], "give one of --run_dir, --export and --images"),
        (["--run_dir={run}", "--metrics=fid"], "must be the name of a protocol"),
        (["--run_dir={run}", "--metrics="], "--metrics must name protocols"),
        (["--run_dir={run}", "--metrics=fd1k_full_model"], "--weights=model=FILE"),
        (["--run_dir={run}", "--weights=resnet=file"], "NETWORK=FILE"),
        (["--run_dir={run}", "--metrics=fd1k_full_model", "--weights=model={tmp}/none"], "Weights must be a file"),
        (["--run_dir={tmp}", "--metrics=swd1k"], "must be the directory of a run"),
        (["--export={tmp}", "--metrics=swd1k"], "export must be a directory that export.py wrote"),
        (["--images={data}", "--metrics=swd1k"], "--data must name real images for swd1k"),
        (
            ["--images={data}", "--data={data}", "--metrics=fd1k_full_model", "{weights}"],
            "measures 1,000 generated images",
        ),
        (["--images={data}", "--data={data}", "--metrics=msssim1k"], "needs images of 16 pixels a side or more"),
        (["--images={data}", "--data={data}", "--metrics=fd1k_full_model", "--resolution=x"], "--resolution"),
        (["--compare", "{tmp}"], "must hold metrics.jsonl"),
        (["--compare", "{tmp}", "--output=chart.gif"], "must be a file that ends in .png, .svg, .jpg or .webp"),
        (["--num_devices=-1"], "num_devices"),
        (["--run_dir={run}", "--metrics=swd1k", "--results={tmp}"], "results must be a file"),
        (["--run_dir={run}", "--metrics=swd1k", "--results=/proc/none/r.jsonl"], "/proc/none"),
        (["{tmp}"], "flags are written --name=value"),
    ],
)
@pytest.mark.slow
def test_mistakes_get_one_line_and_exit_code_2(command, run, data, weights, tmp_path, arguments, says):
    names = {"run": run, "data": data, "tmp": tmp_path, "weights": f"--weights={weights}"}
    code, _, err = command(*(argument.format(**names) for argument in arguments))
    assert code == 2
    assert says in err
    assert err.startswith("evaluate: ")
    assert err.count("\n") == 1
    assert not list(tmp_path.rglob("*.jsonl"))


@pytest.mark.slow
def test_a_bad_flag_is_answered_without_tensorflow():
    code = (
        "import sys; from stylegan_tf.cli import app, evaluate\n"
        "try: app.run(evaluate.main, ['evaluate', '--run_dir=x', '--metrics=fid'], evaluate.FLAGS)\n"
        "except SystemExit as stop: print(stop.code, 'tensorflow' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout == "2 False\n", result.stderr


def test_results_that_find_no_room_are_printed(tmp_path, capsys, small_files):
    """They took long."""
    file = tmp_path / "metrics.jsonl"
    evaluator = SimpleNamespace(evaluate=lambda fakes: [make_result()], feature_counts={})
    with pytest.raises(DiskError), small_files(100):
        evaluate._report(evaluator, None, file)
    assert Result.from_json(capsys.readouterr().out.splitlines()[-1]) == make_result()
    assert list(tmp_path.iterdir()) == []
