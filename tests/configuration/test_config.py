"""Configuration: JSON, replacing, differences, and what is refused."""

import dataclasses
import json

import pytest

from stylegan_tf.configuration.config import TrainConfig, all_fields
from stylegan_tf.configuration.resolutions import ResolutionTable
from stylegan_tf.configuration.sections import parse_profile_steps

table = ResolutionTable.parse


def test_field_names_are_unique_over_the_sections():
    names = [field.name for _, field in all_fields()]
    assert len(names) == len(set(names))
    assert all(field.metadata["help"] for _, field in all_fields())


def other_value(value):
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, ResolutionTable):
        return table("4:0.1,8:1234.5678")
    return value + 3


def other_value_of(field):
    """Another value that a field may have by its type; what may be left open has a number, or a table."""
    if field.default is None:
        return {"int | None": 4, "float | None": 4.25}.get(field.type, table("4:16,8:8"))
    return other_value(field.default)


def changed_config():
    """A configuration that is unlike the default in every field."""
    return TrainConfig().replace({field.name: other_value_of(field) for _, field in all_fields()})


def test_every_default_is_written_in_its_field_and_lies_within_its_bounds():
    TrainConfig().validate()
    assert all(TrainConfig().get(field.name) == field.default for _, field in all_fields())


@pytest.mark.parametrize("config", [TrainConfig(), changed_config()], ids=["default", "all changed"])
def test_json_round_trip(config):
    assert TrainConfig.from_json(config.to_json()) == config


def test_json_is_sections_of_fields_with_tables_as_written():
    plain = json.loads(TrainConfig().to_json())
    assert list(plain) == ["data", "network", "schedule", "loss", "augment", "optimizer", "run"]
    assert plain["schedule"]["learning_rate"] == "4:0.001,128:0.0015,256:0.002,512:0.003"
    assert plain["network"]["feature_maps_base"] == "8192"
    assert plain["schedule"]["batch_size"] is None
    assert plain["schedule"]["total_kimg"] == 25000.0


def test_json_may_leave_fields_out_and_give_a_table_as_a_number():
    config = TrainConfig.from_json('{"network": {"z_size": 9}, "schedule": {"batch_size": 16}}')
    assert config == TrainConfig().replace({"z_size": 9, "batch_size": table("16")})


def test_what_is_left_open_stays_open_in_json():
    names = (
        "batch_size",
        "critic_learning_rate",
        "r1_gamma",
        "ema_half_life_kimg",
        "augment_kimg",
        "minibatch_stddev_group",
    )
    config = TrainConfig().replace(dict.fromkeys(names))
    config.validate()
    found = TrainConfig.from_json(config.to_json())
    assert found == config
    assert [found.get(name) for name in names] == [None] * len(names)


def test_a_number_fills_a_table():
    config = TrainConfig().replace({"feature_maps_base": 16384, "batch_size": 32, "learning_rate": 0.002})
    assert config.network.feature_maps_base == table("16384")
    assert (config.schedule.batch_size, config.schedule.learning_rate) == (table("32"), table("0.002"))
    assert config.loss.r1_gamma == 10.0


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"data": 3}', '"portraits"'])
def test_other_json_is_refused(text):
    with pytest.raises(ValueError, match=r"expected the JSON of a training configuration, but "):
        TrainConfig.from_json(text)


def test_unknown_names_are_refused_with_the_known_ones():
    for make in (lambda: TrainConfig().replace({"zsize": 3}), lambda: TrainConfig.from_json('{"a": {"zsize": 3}}')):
        with pytest.raises(ValueError, match=r"fields are adam_beta1, .*, z_size\. Received: 'zsize'\."):
            make()


def test_replace_changes_the_named_fields_only_and_leaves_the_original():
    config = TrainConfig()
    changed = config.replace({"z_size": 8, "data": "pictures", "seed": 5})
    assert (changed.network.z_size, changed.data.data, changed.run.seed) == (8, "pictures", 5)
    assert changed.get("z_size") == 8
    assert config == TrainConfig()
    assert changed.replace({"z_size": 512, "data": "portraits", "seed": 0}) == config


def test_a_configuration_cannot_be_written_to():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().network.z_size = 8


def test_differences_are_those_that_a_resumed_run_may_not_have():
    differences = TrainConfig().differences(changed_config())
    assert set(differences) == {field.name for _, field in all_fields() if not field.metadata["may_change"]}
    assert differences["z_size"] == (512, 515)
    assert {"z_size", "loss", "batch_size", "seed", "learning_rate", "use_labels"} <= set(differences)
    may_change = {"data", "total_kimg", "run_dir", "keep_checkpoints", "truncation_psi", "num_devices", "jit_compile"}
    assert not may_change & set(differences)
    assert TrainConfig().differences(TrainConfig()) == {}


@pytest.mark.parametrize(
    ("values", "expected", "received"),
    [
        ({"channels": 2}, r"channels must be 1 \(grey\), 3 \(RGB\), 4 \(RGBA\) or 0 \(those of the data\)", "2"),
        ({"base_size": "0"}, "base_size must be positive", "0"),
        ({"base_size": "4x0"}, "base_size must be positive", "4x0"),
        ({"base_size": "four"}, "base_size must be a size such as 256 or 64x96", "four"),
        ({"resolution": "32x"}, "resolution must be a size such as 256 or 64x96", "32x"),
        ({"resolution": "-8"}, "resolution must be a size such as 256 or 64x96", "-8"),
        (
            {"resolution": "100"},
            r"base size 4x4 doubled at most 8 times \(8x8, 16x16, .*--base_size",
            "resolution=100x100",
        ),
        ({"resolution": "64x96"}, "base size 4x4 doubled", "resolution=64x96"),
        ({"resolution": "2048"}, "doubled at most 8 times", "resolution=2048x2048"),
        (
            {"loss": "hing"},
            "loss must be one of wgan-gp, wasserstein, logistic, hinge, least-squares, relativistic",
            "hing",
        ),
        ({"family": "stylegan3"}, "family must be one of stylegan1, stylegan2", "stylegan3"),
        (
            {"generator_architecture": "unet"},
            "generator_architecture must be one of skip, resnet, orig, growing",
            "unet",
        ),
        ({"critic_architecture": ""}, "critic_architecture must be one of skip, resnet, orig, growing", ""),
        (
            {"family": "stylegan2", "generator_architecture": "growing"},
            "generator_architecture and critic_architecture must both be 'growing', or neither",
            "growing and resnet",
        ),
        (
            {"family": "stylegan2", "critic_architecture": "growing"},
            "must both be 'growing', or neither",
            "skip and growing",
        ),
        ({"augment": "always"}, "augment must be one of off, adaptive, fixed", "always"),
        ({"augment": "fixed"}, "augment_p must be above 0 with augment=fixed", "0.0"),
        ({"augment_target": 1.5}, "augment_target must lie between -1 and 1", "1.5"),
        ({"augment_p": 1.5}, "augment_p must lie between 0 and 1", "1.5"),
        ({"path_length_decay": 1.5}, "path_length_decay must lie between 0 and 1", "1.5"),
        ({"random_crop": 1.0}, "random_crop must be 0 or more, and below 1", "1.0"),
        ({"feature_maps_base": table("4:64,32:12.5")}, "feature_maps_base must be whole numbers", "4:64,32:12.5"),
        ({"feature_maps_base": table("4:64,32:0")}, "feature_maps_base must be above 0", "4:64,32:0"),
        ({"ema_half_life_kimg": float("inf")}, "ema_half_life_kimg must be above 0", "inf"),
        ({"normalization": "batch"}, "normalization must be one of instance, pixel, none", "batch"),
        (
            {"dtype_policy": "float16"},
            "dtype_policy must be one of auto, float32, mixed_bfloat16, mixed_float16",
            "float16",
        ),
        ({"jit_compile": "yes"}, "jit_compile must be one of auto, on, off", "yes"),
        ({"style_mixing_probability": 1.5}, "style_mixing_probability must lie between 0 and 1", "1.5"),
        ({"w_average_decay": -0.5}, "w_average_decay must lie between 0 and 1", "-0.5"),
        ({"adam_beta1": 1.0}, "adam_beta1 must be 0 or more, and below 1", "1.0"),
        ({"adam_beta2": 1.0}, "adam_beta2 must be 0 or more, and below 1", "1.0"),
        ({"batch_size": table("4:8,32:4.5")}, "batch_size must be whole numbers", "4:8,32:4.5"),
        ({"batch_size": table("4:8,32:0")}, "batch_size must be above 0", "4:8,32:0"),
        ({"learning_rate": table("4:0.1,8:-0.1")}, "learning_rate must be above 0", "4:0.1,8:-0.1"),
        ({"learning_rate": table("1e999")}, "learning_rate must be above 0", "inf"),
        ({"fade_kimg": table("-1")}, "fade_kimg must be 0 or more", "-1"),
        ({"total_kimg": float("inf")}, "total_kimg must be above 0", "inf"),
        ({"total_kimg": float("nan")}, "total_kimg must be above 0", "nan"),
        ({"truncation_psi": float("nan")}, "truncation_psi must be a number", "nan"),
        ({"seed": 2**31}, r"seed must be below 2\^31", "2147483648"),
        ({"profile_steps": "100"}, "profile_steps must be FIRST-LAST such as 100-110, .*", "100"),
        ({"profile_steps": "1-5"}, "profile_steps must be FIRST-LAST such as 100-110, FIRST 2 or more .*", "1-5"),
        ({"profile_steps": "9-8"}, "profile_steps must be FIRST-LAST", "9-8"),
        ({"profile_steps": "2-102"}, "profile_steps .* at most 100 steps in all", "2-102"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_impossible_values_are_refused(values, expected, received):
    with pytest.raises(ValueError, match=f"^.*{expected}.*\\. Received: {received}\\.$"):
        TrainConfig().replace(values).validate()


@pytest.mark.parametrize(("text", "steps"), [("2-2", (2, 2)), ("100-110", (100, 110)), ("2-101", (2, 101))])
def test_steps_to_be_profiled(text, steps):
    config = TrainConfig().replace({"profile_steps": text})
    config.validate()
    assert parse_profile_steps(text) == steps
    assert not TrainConfig().differences(config)  # a resumed run may be profiled


@pytest.mark.parametrize(
    "name",
    [
        "feature_maps_base",
        "total_kimg",
        "keep_checkpoints",
        "critic_regularization_interval",
        "generator_regularization_interval",
        "path_length_batch_shrink",
        "augment_interval",
        "augment_kimg",
        "adam_epsilon",
        "ema_half_life_kimg",
        "status_interval_s",
        "grid_interval_kimg",
        "tensorboard_interval_kimg",
        "checkpoint_interval_kimg",
        "gradient_penalty_target",
        "mapping_learning_rate_multiplier",
    ],
)
def test_what_must_be_above_zero(name):
    with pytest.raises(ValueError, match=rf"^{name} must be above 0\. Received: 0\.$"):
        TrainConfig().replace({name: 0}).validate()


@pytest.mark.parametrize(
    ("name", "bounds", "values"),
    [
        *[
            (name, "be above 0 and at most 8192", (0, 8193, 10**9))
            for name in ("z_size", "w_size", "feature_maps_max", "minibatch_stddev_features")
        ],
        ("mapping_width", "lie between 0 and 8192", (-1, 8193)),
        ("mapping_layers", "lie between 0 and 64", (-1, 65)),
        ("critic_mapping_layers", "lie between 0 and 64", (-1, 65)),
    ],
)
def test_sizes_that_would_fill_the_memory_are_refused(name, bounds, values):
    for value in values:
        with pytest.raises(ValueError, match=rf"^{name} must {bounds}\. Received: {value}\.$"):
            TrainConfig().replace({name: value}).validate()


@pytest.mark.parametrize(
    "name",
    [
        "fused_from",
        "minibatch_stddev_group",
        "learning_rate_rampup_kimg",
        "gradient_penalty_weight",
        "drift_weight",
        "r1_gamma",
        "path_length_weight",
        "ema_rampup",
        "clamp",
        "label_loss_weight",
        "seed",
        "num_devices",
        "max_batch_per_device",
        "truncation_cutoff",
        "start_resolution",
    ],
)
def test_what_may_be_zero_and_not_less(name):
    TrainConfig().replace({name: 0}).validate()
    with pytest.raises(ValueError, match=rf"^{name} must be 0 or more\. Received: -1\.$"):
        TrainConfig().replace({name: -1}).validate()


def test_a_critic_that_classifies_is_of_stylegan1():
    TrainConfig().replace({"critic_classifies": True}).validate()
    with pytest.raises(ValueError, match=r"^critic_classifies must be off with family=stylegan2\. Received: True\.$"):
        TrainConfig().replace({"critic_classifies": True, "family": "stylegan2"}).validate()


def test_corners_that_are_allowed():
    for values in (
        {"resolution": "1024"},
        {"resolution": "28", "base_size": "7"},
        {"resolution": "64x96", "base_size": "4x6"},
        {"resolution": "4"},
        {"batch_size": None},
        {"batch_size": table("4:8,32:1")},
        {"stage_kimg": table("0")},
        {"style_mixing_probability": 1.0},
        {"truncation_psi": -0.5},
        {"seed": 2**31 - 1},
        {"loss": "logistic"},
        {"loss": "hinge"},
        {"loss": "least-squares"},
        {"family": "stylegan2"},
        {"augment": "adaptive"},
        {"generator_architecture": "growing", "critic_architecture": "growing"},
        {"augment_target": -0.5},
        {"minibatch_stddev_group": None},
        {"critic_learning_rate": table("4:0.1,8:0.2")},
        {"path_length_decay": 0.0},
        {"augment_p": 1.0},
        {"feature_maps_base": table("4:8192,512:16384")},
    ):
        TrainConfig().replace(values).validate()


@pytest.mark.parametrize(
    ("family", "architecture", "grows"),
    [("stylegan1", "skip", True), ("stylegan2", "skip", False), ("stylegan2", "growing", True)],
)
def test_what_grows(family, architecture, grows):
    values = {"family": family, "generator_architecture": architecture, "critic_architecture": architecture}
    assert TrainConfig().replace(values).grows is grows


@pytest.mark.parametrize(
    ("base", "size", "levels"), [("4", (4, 4), 1), ("4", (1024, 1024), 9), ("7", (28, 28), 3), ("4x6", (64, 96), 5)]
)
def test_levels_between_base_and_full_size(base, size, levels):
    assert TrainConfig().replace({"base_size": base}).num_levels_for(size) == levels
