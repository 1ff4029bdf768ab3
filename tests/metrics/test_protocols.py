"""Names of protocols: each one means one recipe."""

import pytest

from stylegan_tf.metrics.protocols import DEFAULT_PROTOCOLS, EXAMPLES, PUBLISHED, parse_protocols, protocol


@pytest.mark.parametrize("name", [*PUBLISHED, *EXAMPLES])
def test_names_that_are_listed_exist(name):
    found = protocol(name)
    assert found.name == name
    assert found.fakes >= 10 or name == "kd_full_efficientnet_lite0"
    assert f"{found.fakes:,}" in found.meaning


# Metric, network, generated images, real images, parameters: as published. Written out, since they must never change.
@pytest.mark.parametrize(
    ("name", "metric", "network", "fakes", "reals", "options"),
    [
        ("fid50k", "frechet", "inception", 50_000, 50_000, {"ddof": 1}),
        ("fid50k_full", "frechet", "inception", 50_000, None, {"ddof": 0}),
        ("kid50k_full", "kernel", "inception", 50_000, 1_000_000, {"num_subsets": 100, "subset_size": 1000}),
        ("pr50k3_full", "precision_recall", "vgg16", 50_000, 200_000, {"neighbours": 3}),
        ("dc10k5_full_model", "density_coverage", "model", 10_000, 200_000, {"neighbours": 5}),
        ("is50k", "inception_score", "inception", 50_000, 0, {"splits": 10}),
        (
            "ppl_zfull",
            "path_length",
            "lpips_vgg16",
            50_000,
            0,
            {"space": "z", "sampling": "full", "epsilon": 1e-4, "crop": True},
        ),
        (
            "ppl2_wend",
            "path_length",
            "lpips_vgg16",
            50_000,
            0,
            {"space": "w", "sampling": "end", "epsilon": 1e-4, "crop": False},
        ),
        ("swd16k", "sliced_wasserstein", "", 16_384, 16_384, {}),
        ("msssim10k", "ms_ssim", "", 10_000, 0, {}),
        ("fd2k_full_efficientnet_lite0", "frechet", "efficientnet_lite0", 2_000, None, {"ddof": 0}),
        ("kd2k_full_efficientnet_lite0", "kernel", "efficientnet_lite0", 2_000, 1_000_000, {}),
        ("kd_full_model", "kernel", "model", 0, 1_000_000, {}),
        ("fid_full", "frechet", "inception", 0, None, {"ddof": 0}),
        ("fid300", "frechet", "inception", 300, 300, {"ddof": 1}),
        ("kd310_full_model", "kernel", "model", 310, 1_000_000, {}),
        ("pr300_3_full", "precision_recall", "vgg16", 300, 200_000, {"neighbours": 3}),
        ("pr3_full_model", "precision_recall", "model", 0, 200_000, {"neighbours": 3}),
        ("swd300", "sliced_wasserstein", "", 300, 300, {}),
        ("msssim90", "ms_ssim", "", 90, 0, {}),
        ("ls100k_classifier", "separability", "classifier", 100_000, 0, {"keep": 0.5}),
    ],
)
def test_recipes(name, metric, network, fakes, reals, options):
    found = protocol(name)
    assert (found.metric, found.network, found.fakes, found.reals) == (metric, network, fakes, reals)
    assert dict(found.options) == options


@pytest.mark.parametrize(
    "name",
    [
        "fid50k_efficientnet_lite0",
        "fid50k_full_keras_inception",
        "kid10k_model",  # only Inception's are FID and KID
        "fd50k",
        "kd50k_full",
        "fd50k_full_inception",  # and those over Inception are called so
        "fid0k",
        "fid9",
        "fid",
        "kd_model",
        "pr300",
        "pr3",
        "pr3_model",
        "pr3_keras_vgg16",
        "is_full",
        "swd_full",
        "FID50k",
        "fid50k_half",
        "pr50k",
        "pr50k0",
        "is10k_model",
        "is10k_efficientnet_lite0",
        "ppl2_zfull",
        "ppl_wfull_model",
        "ppl2k_wend",
        "ppl2k_wend_inception",
        "classes10k",
        "ls10k_model",
        "swd16k_full",
        "",
        "fd2k_full_unknown",
    ],
)
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="must be the name of a protocol, such as fid50k.*Received"):
        protocol(name)


def test_lists_keep_their_order_and_hold_each_once():
    names = [DEFAULT_PROTOCOLS[1], " swd2k", DEFAULT_PROTOCOLS[1], "", DEFAULT_PROTOCOLS[0]]
    assert [found.name for found in parse_protocols(names)] == [DEFAULT_PROTOCOLS[1], "swd2k", DEFAULT_PROTOCOLS[0]]


@pytest.mark.parametrize(
    ("name", "lower"), [("fid50k", True), ("pr50k3", False), ("is50k", False), ("swd16k", True), ("ppl_wend", True)]
)
def test_which_way_is_better(name, lower):
    assert protocol(name).lower_is_better is lower
