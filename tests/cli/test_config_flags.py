"""Flags made from the fields of the configuration."""

import re

import pytest
from absl import flags

from stylegan_tf.cli import app
from stylegan_tf.cli.config_flags import SECTIONS, config_from_flags, define_config_flags
from stylegan_tf.configuration.config import TrainConfig, all_fields
from stylegan_tf.configuration.kimg_tables import KimgTable
from stylegan_tf.configuration.presets import DEFAULT_PRESET, PRESETS, preset
from stylegan_tf.configuration.resolutions import ResolutionTable

table = ResolutionTable.parse


@pytest.fixture
def values():
    found = flags.FlagValues()
    define_config_flags(found)
    return found


@pytest.fixture
def config_of(values):
    """`config_of(*arguments)`: the configuration of a command line."""

    def parse(*arguments):
        assert values(["train.py", *arguments]) == ["train.py"]
        return config_from_flags(values)

    return parse


def written(value):
    return "" if value is None else str(value)


def test_every_field_is_a_flag_under_its_section(values):
    by_heading = values.flags_by_module_dict()
    assert list(by_heading) == ["Preset", *SECTIONS.values()]
    for section, heading in SECTIONS.items():
        assert [flag.name for flag in by_heading[heading]] == [f.name for owner, f in all_fields() if owner == section]


@pytest.mark.parametrize("name", PRESETS)
def test_without_flags_the_preset_stands(config_of, name):
    assert config_of(f"--preset={name}") == preset(name).replace({"run_dir": f"runs/{name}"})


def test_the_default_preset(config_of):
    assert config_of() == config_of(f"--preset={DEFAULT_PRESET}")


CONFIGURATIONS = [
    ("digits", "tiny", {"style": False, "metrics": "kd2k_full_efficientnet_lite0"}),
    ("tiny-ada", "stylegan1", {"path_length_weight": 1.0, "use_labels": True}),
    ("tiny-stylegan1", "tiny", {"critic_classifies": True, "use_labels": True}),
    ("tiny-stylegan1", "tiny", {"loss": "logistic", "augment": "adaptive", "augment_from": 16}),
    ("tiny", "stylegan1", {"augment": "diffaugment", "freeze_critic": 1}),
]


def made(name, values):
    """A configuration, and the names of its fields that mean anything."""
    config = preset(name).replace({"run_dir": "somewhere", "mirror": True, "batch_size": table("8"), **values})
    return config, [field.name for _, field in all_fields() if field.name not in config.without_meaning()]


@pytest.mark.parametrize(("name", "start", "changes"), CONFIGURATIONS)
def test_every_field_can_be_given_and_comes_with_its_type(config_of, name, start, changes):
    """All of a configuration that means anything can be written as flags."""
    config, fields = made(name, changes)
    found = config_of(f"--preset={start}", *(f"--{field}={written(config.get(field))}" for field in fields))
    for field in fields:
        assert found.get(field) == config.get(field)
        assert type(found.get(field)) is type(config.get(field)), field


def test_these_configurations_have_every_field():
    seen = {field for name, _, values in CONFIGURATIONS for field in made(name, values)[1]}
    assert seen == {field.name for _, field in all_fields()}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--preset=tiny-stylegan2", "--blur"],
            "blur applies only to family=stylegan1; choose that, or leave it out. Received: blur=True.",
        ),
        (["--preset=stylegan1", "--clamp=3"], "clamp applies only to family=stylegan2"),
        (
            ["--preset=tiny-stylegan2", "--stage_kimg=3"],
            "stage_kimg applies only to networks that grow; choose that, or leave it out. Received: stage_kimg=3.",
        ),
        (["--preset=digits", "--r1_gamma=3"], "r1_gamma applies only to losses other than wgan-gp"),
        (["--preset=tiny-stylegan2", "--r1_gamma=3", "--r1_gamma_per_pixel=1"], "with r1_gamma left open"),
        (["--preset=tiny-stylegan2", "--drift_weight=0"], "drift_weight applies only to loss=wgan-gp"),
        (["--augment_p=0.2"], "augment_p applies only to augment=adaptive or fixed"),
        (
            ["--augment=fixed", "--augment_p=0.2", "--augment_target=0"],
            "augment_target applies only to augment=adaptive",
        ),
        (["--path_length_decay=0.1"], "path_length_decay applies only to path_length_weight above 0"),
        (
            ["--preset=progan", "--label_loss_weight=2"],
            "label_loss_weight applies only to critic_classifies with use_labels",
        ),
        (["--label_design=stylegan2"], "label_design applies only to family=stylegan2 with use_labels"),
    ],
)
def test_flags_that_mean_nothing_beside_the_others_are_refused(config_of, arguments, words):
    with pytest.raises(ValueError, match=words):
        config_of(*arguments)


def test_only_given_flags_override_the_preset(config_of):
    config = config_of("--preset=digits", "--z_size=64", "--stage_kimg=7:1,14:2", "--learning_rate=0.25", "--noblur")
    given = {"z_size": 64, "stage_kimg": table("7:1,14:2"), "learning_rate": table("0.25"), "blur": False}
    assert config == preset("digits").replace({**given, "run_dir": "runs/digits"})


def test_a_flag_that_repeats_the_default_still_overrides_the_preset(config_of):
    default = TrainConfig()
    assert default.network.z_size != preset("tiny").network.z_size
    assert config_of(f"--z_size={default.network.z_size}").network.z_size == default.network.z_size
    assert config_of("--preset=tiny", "--batch_size=").schedule.batch_size is None  # empty: as published


OVER_KIMG = ("learning_rate", "critic_learning_rate", "r1_gamma", "r2_gamma", "adam_beta2", "ema_half_life_kimg")


@pytest.mark.parametrize("name", OVER_KIMG)
def test_what_may_change_over_the_run(config_of, name):
    text = "0:0.5,50%:0.5,100%:0.25:cosine"
    assert config_of("--preset=stylegan2-f", f"--{name}={text}").get(name) == KimgTable.parse(text)


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("--learning_rate=0:0.1,5:-1", "learning_rate must be above 0"),
        ("--adam_beta2=0:0.5,5:1", "adam_beta2 must be 0 or more, and below 1"),
        ("--batch_size=0:4,5:8", "batch_size must change in steps, such as 0:4,50:8:step"),
        ("--batch_size=0:4,5:8.5:step", "batch_size must be whole numbers"),
        ("--augment_p=0:0,5:0.5", "an adaptive strength moves by itself"),
    ],
)
def test_what_changes_over_the_run_is_checked_like_other_values(config_of, flag, says):
    with pytest.raises(ValueError, match=says):
        config_of("--preset=stylegan2-ada", flag)


def test_what_may_be_left_open_can_be_given_and_taken_back(config_of):
    """Empty: it follows from resolution and devices."""
    start = ("--preset=stylegan1", "--loss=logistic", "--augment=adaptive")
    for name, default in (("r1_gamma", 10.0), ("ema_half_life_kimg", 10.0), ("augment_kimg", None)):
        assert config_of(*start).get(name) == default
        assert config_of(*start, f"--{name}=2.5").get(name) == 2.5
        assert config_of(*start, f"--{name}=2.5", f"--{name}=").get(name) is None
    assert config_of().get("minibatch_stddev_group") == 4
    assert config_of("--minibatch_stddev_group=").get("minibatch_stddev_group") is None
    assert repr(config_of("--minibatch_stddev_group=8").get("minibatch_stddev_group")) == "8"
    assert config_of("--critic_learning_rate=4:0.1,8:0.2").schedule.critic_learning_rate == table("4:0.1,8:0.2")
    assert config_of("--critic_learning_rate=0.1", "--critic_learning_rate=").schedule.critic_learning_rate is None
    assert config_of("--preset=stylegan2-ada", "--batch_size=16").schedule.batch_size == table("16")
    assert config_of("--preset=stylegan2-f", "--feature_maps_base=4:8192,512:16384").network.feature_maps_base == table(
        "4:8192,512:16384"
    )


def test_switches(config_of):
    assert config_of("--mirror").data.mirror is True
    assert config_of("--nonoise", "--nouse_labels").network.noise is False
    assert config_of("--preset=stylegan1", "--style=false").network.style is False


def test_run_dir_follows_the_preset_unless_given(config_of):
    assert config_of("--preset=stylegan1").run.run_dir == "runs/stylegan1"
    assert config_of("--run_dir=mine").run.run_dir == "mine"


def test_the_last_of_two_counts(config_of):
    assert config_of("--seed=1", "--seed=2").run.seed == 2


def test_flagfile(config_of, tmp_path):
    file = tmp_path / "settings"
    file.write_text("# ours\n--preset=digits\n--z_size=64\n--noblur\n\n--total_kimg=5\n")
    config = config_of(f"--flagfile={file}", "--total_kimg=6")
    assert config == preset("digits").replace(
        {"z_size": 64, "blur": False, "total_kimg": 6.0, "run_dir": "runs/digits"}
    )


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--zsize=3", ["zsize", "Did you mean"]),
        ("--z_size=many", ["--z_size", "many"]),
        ("--z_size=0", ["z_size must be above 0", "Received: 0"]),
        ("--learning_rate=fast", ["--learning_rate", "4:128,32:64", "fast"]),
        ("--learning_rate=", ["--learning_rate", "4:128,32:64"]),
        ("--preset=huge", ["preset must be one of", "huge"]),
        ("--resolution=100", ["resolution must be", "100x100"]),
        ("--total_kimg=nan", ["total_kimg", "nan"]),
        ("--r1_gamma=strong", ["--r1_gamma", "strong"]),
        ("--r1_gamma=-1", ["r1_gamma must be 0 or more", "-1"]),
        ("--minibatch_stddev_group=few", ["--minibatch_stddev_group", "few"]),
        ("--minibatch_stddev_group=-1", ["minibatch_stddev_group must be 0 or more", "-1"]),
        ("--critic_learning_rate=0", ["critic_learning_rate must be above 0", "0"]),
        ("--critic_learning_rate=fast", ["--critic_learning_rate", "4:128,32:64", "fast"]),
        ("--feature_maps_base=", ["--feature_maps_base"]),
        ("--loss=wgan", ["loss must be one of", "hinge", "wgan"]),
        ("--preset=tiny-stylegan2 --generator_architecture=growing", ["must both be 'growing'", "growing and resnet"]),
        ("--flagfile=nowhere", ["nowhere"]),
        ("--mirror=perhaps", ["--mirror", "perhaps"]),
    ],
)
def test_what_is_wrong_is_told_in_one_line(values, capsys, argument, words):
    def main():
        config_from_flags(values)

    with pytest.raises(SystemExit) as stop:
        app.run(main, ["train.py", *argument.split(" ")], values)
    out, err = capsys.readouterr()
    assert (stop.value.code, out, err.count("\n")) == (2, "", 1)
    assert all(word in err for word in words), err


def test_help_lists_every_flag_under_its_heading_with_the_published_value(values):
    def main():
        pass

    text = app.help_text(main, values)
    headings = re.findall(r"^(\S[^\n]*):$", text, re.M)
    assert headings == ["Preset", *SECTIONS.values()]
    positions = [re.search(rf"^  --(\[no\])?{field.name}\s", text, re.M).start() for _, field in all_fields()]
    assert positions == sorted(positions)
    joined = " ".join(text.split())
    for words in (
        "(published: 25000.0; tiny-stylegan1: ",
        "(published: 0.99)",
        "(default: tiny-stylegan1)",
        "published: 4:0.001,128:0.0015,256:0.002,512:0.003; tiny-stylegan1: ",
        *(f"{name}: {entry.summary}" for name, entry in PRESETS.items()),
    ):
        assert words in joined


def test_the_configuration_of_a_run_as_preset(config_of, tmp_path):
    config = preset("digits").replace({"z_size": 7, "initialize_from": "other", "run_dir": "elsewhere"})
    file = tmp_path / "run" / "config.json"
    file.parent.mkdir()
    file.write_text(config.to_json())
    assert config_of(f"--preset={file}") == config.replace({"run_dir": str(file.parent)})
    found = config_of(f"--preset={file}", "--run_dir=new", "--z_size=8")
    assert found == config.replace({"run_dir": "new", "z_size": 8})


@pytest.mark.parametrize("text", [None, "no JSON", "[]", '{"network": {"unknown": 1}}'])
def test_a_preset_that_is_no_configuration(config_of, tmp_path, text):
    file = tmp_path / "config.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ValueError, match=r"^preset must be a name, or a run.s config\.json\. Received: preset="):
        config_of(f"--preset={file}")


@pytest.mark.parametrize(
    ("flag", "words"),
    [("--total_kimg=abc", "a number"), ("--seed=1.5", "a whole number"), ("--seed=", "a whole number")],
)
def test_what_is_no_number_is_answered_in_plain_words(flag, words):
    values = flags.FlagValues()
    define_config_flags(values)
    with pytest.raises(flags.IllegalFlagValueError, match=f"it must be {words}.*Received: '"):
        values(["train", flag])
