import pytest
from absl import flags

from stylegan_tf.cli import classifier, convert, dataset, demo, embeddings, evaluate, export, sample
from stylegan_tf.cli.app import help_text
from stylegan_tf.cli.flags import (
    FlagGroup,
    check_picture_file,
    check_psi,
    psi_flag,
    require_given,
    require_one,
    run_flags,
    seeds_flag,
    training_flag,
)
from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.errors import UserError


@pytest.fixture
def values():
    return flags.FlagValues()


def parse(values, *arguments):
    values(["command", *arguments])


def test_a_flag_of_each_kind(values):
    group = FlagGroup(values, "What")
    holders = [
        group.text("name", "a", "a string"),
        group.words("names", ["a", "b"], "strings"),
        group.choice("kind", "a", "one of two", ("a", "b")),
        group.switch("loud", True, "or not"),
        group.whole("count", None, "some", least=0, most=9),
        group.number("share", 0.5, "of it"),
    ]
    parse(values)
    assert [holder.value for holder in holders] == ["a", ["a", "b"], "a", True, None, 0.5]
    parse(values, "--name=x", "--names=", "--kind=b", "--noloud", "--count=9", "--share=-1e-1")
    assert [holder.value for holder in holders] == ["x", [], "b", False, 9, -0.1]
    assert {flag.name for flag in values.flags_by_module_dict()["What"]} == {holder.name for holder in holders}


@pytest.mark.parametrize("argument", ["--kind=c", "--count=-1", "--count=10", "--count=1.5", "--share=x"])
def test_values_out_of_bounds_are_refused(values, argument):
    group = FlagGroup(values)
    group.choice("kind", "a", "one of two", ("a", "b"))
    group.whole("count", 0, "some", least=0, most=9)
    group.number("share", 0.5, "of it")
    with pytest.raises(flags.IllegalFlagValueError):
        parse(values, argument)


def test_headings_are_in_the_order_of_the_calls(values):
    first, second = FlagGroup(values, "Second"), FlagGroup(values, "First")
    run_flags(first)
    seeds_flag(second, "0-7", "each has an image")
    lines = help_text(test_headings_are_in_the_order_of_the_calls, values).splitlines()
    words = [line.split()[0] for line in lines if line.startswith(("First", "Second", "  --"))]
    assert words == ["Second:", "--run_dir", "--checkpoint", "First:", "--seeds"]


def test_a_flag_of_training_is_declared_as_there(values):
    channels = training_flag(FlagGroup(values), "channels")
    crop = training_flag(FlagGroup(values), "crop", ("center", "pad"), note="; or so")
    devices = training_flag(FlagGroup(values), "num_devices", least=0)
    parse(values)
    defaults = TrainConfig()
    assert (channels.value, crop.value, devices.value) == tuple(map(defaults.get, ("channels", "crop", "num_devices")))
    assert values["crop"].help.endswith("none stretches; or so")
    for argument in ("--crop=middle", "--num_devices=-1", "--channels=x"):
        with pytest.raises(flags.IllegalFlagValueError):
            parse(values, argument)


def test_a_flag_that_must_be_given(values):
    run_dir, _ = run_flags(FlagGroup(values))
    parse(values)
    with pytest.raises(UserError, match=r"^--run_dir must be given: the directory of a run\. Received: nothing\.$"):
        require_given(run_dir, "the directory of a run")
    parse(values, "--run_dir=a")
    require_given(run_dir, "the directory of a run")


@pytest.mark.parametrize(("given", "received"), [((), "none"), (("--a=1", "--c=2"), "--a=1, --c=2")])
def test_one_of_several_flags(values, given, received):
    holders = [FlagGroup(values).text(name, "", "a source") for name in "abc"]
    parse(values, *given)
    with pytest.raises(UserError, match=rf"^give one of --a, --b and --c \(or --list\)\. Received: {received}\.$"):
        require_one(holders, "--list")
    values.unparse_flags()
    for name in values:
        values[name].unparse()
    parse(values, "--b=1")
    assert require_one(holders, "--list").name == "b"


def test_truncation_has_bounds(values):
    psi = psi_flag(FlagGroup(values), "w")
    parse(values)
    for sound in (psi.value, -2.0, 2.0):
        check_psi(psi.name, sound)
    for bad in (-2.1, 2.1, float("nan")):
        with pytest.raises(UserError, match="^--truncation_psi must lie between -2 and 2"):
            check_psi(psi.name, bad)


def test_files_of_pictures(tmp_path):
    check_picture_file("output", tmp_path / "a.PNG")
    check_picture_file("output", tmp_path / "a.webp", (".gif", ".webp"))
    (tmp_path / "folder.png").mkdir()
    for name in ("a.gif", "png", "folder.png"):
        with pytest.raises(
            UserError, match=r"^--sheet must be a file that ends in \.png, \.jpg, \.jpeg or \.webp here\. Received: "
        ):
            check_picture_file("sheet", tmp_path / name, condition=" here")


def test_commands_in_one_process_have_flags_of_their_own():
    """Among them flags of the same name, of which none is absl's global one."""
    of_commands = [
        classifier.FLAGS, convert.FLAGS, dataset.PREPARE, dataset.INSPECT, dataset.VERIFY, demo.FLAGS,
        embeddings.FLAGS, evaluate.FLAGS, export.FLAGS, sample.FLAGS,
    ]  # fmt: skip
    assert len({id(values["run_dir"]) for values in of_commands if "run_dir" in values}) == 5
    assert not {"run_dir", "output", "seeds"} & set(flags.FLAGS)


def test_flags_of_one_name_differ_only_where_a_command_says_so():
    """Help of --checkpoint: evaluate takes several. Of --run_dir: some take a network of a hub, too."""
    with_hub, without = (sample, export, evaluate), (convert, embeddings)
    (text,) = {command.FLAGS["run_dir"].help for command in without}
    (longer,) = {command.FLAGS["run_dir"].help for command in with_hub}
    assert "hf://" in longer and "hf://" not in text
    assert len({command.FLAGS["checkpoint"].help for command in (convert, embeddings, export, sample)}) == 1
    assert "all that are kept" in evaluate.FLAGS["checkpoint"].help
