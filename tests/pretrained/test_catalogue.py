"""The list of published networks: its form, its text, and how an entry is found."""

from __future__ import annotations

import re

import pytest

from stylegan_tf.downloads import split_checksum
from stylegan_tf.pretrained.catalogue import PUBLISHED_NETWORKS, describe_catalogue, find_published


@pytest.mark.parametrize("entry", PUBLISHED_NETWORKS, ids=lambda entry: entry.name)
def test_an_entry(entry):
    assert re.fullmatch(r"[a-z0-9-]+", entry.name)
    assert entry.resolution in (32, 256, 512, 1024)
    assert entry.page.startswith("https://github.com/")
    assert re.fullmatch(r"https://[a-z.-]+/[\w./?=-]+", entry.url)
    assert entry.url.endswith(".pkl") or re.search(r"\?id=[\w-]{33}$", entry.url)
    assert re.fullmatch(r"[0-9a-f]{64}|", entry.sha256)
    assert split_checksum(f"{entry.url}#sha256={entry.sha256 or '0' * 64}") == (entry.url, entry.sha256 or "0" * 64)
    # Names that say a resolution say that of the entry; the cars are wider than they are high.
    assert [int(size) for size in re.findall(r"-(\d+)x\d+$", entry.name)] in ([], [entry.resolution])
    assert entry.num_classes == (10 if "CIFAR-10" in entry.shows else 0)


def test_nothing_is_listed_twice():
    for field in ("name", "url"):
        values = [getattr(entry, field) for entry in PUBLISHED_NETWORKS]
        assert len(set(values)) == len(values)
    checksums = [entry.sha256 for entry in PUBLISHED_NETWORKS if entry.sha256]
    assert len(set(checksums)) == len(checksums) >= 15


def test_licences():
    """Everything of NVIDIA's is for non-commercial use only, whatever the licence is called."""
    for entry in PUBLISHED_NETWORKS:
        assert entry.non_commercial == (not entry.name.startswith("self-distilled"))
        assert (
            entry.licence
            == {
                "https://github.com/tkarras/progressive_growing_of_gans": "CC BY-NC 4.0",
                "https://github.com/NVlabs/stylegan": "CC BY-NC 4.0",
                "https://github.com/NVlabs/stylegan2": "Nvidia Source Code License-NC",
                "https://github.com/NVlabs/stylegan2-ada": "Nvidia Source Code License",
                "https://github.com/NVlabs/stylegan2-ada-pytorch": "Nvidia Source Code License",
                "https://github.com/NVlabs/stylegan3": "Nvidia Source Code License",
                "https://github.com/self-distilled-stylegan/self-distilled-internet-photos": "Apache-2.0",
            }[entry.page]
        )


def test_no_alias_free_network_is_listed():
    assert not [entry.name for entry in PUBLISHED_NETWORKS if re.search(r"stylegan3-[rt]", entry.url)]


def test_the_formats():
    codes = list(dict.fromkeys(entry.code for entry in PUBLISHED_NETWORKS))
    assert codes == [
        "ProGAN (2018), TensorFlow",
        "StyleGAN (2019), TensorFlow",
        "StyleGAN2, TensorFlow",
        "StyleGAN2-ADA, TensorFlow",
        "StyleGAN2-ADA, PyTorch",
        "StyleGAN2 of the StyleGAN3 release, PyTorch",
    ]


def test_known_addresses():
    assert find_published("stylegan2-ffhq-256x256").url == (
        "https://api.ngc.nvidia.com/v2/models/nvidia/research/stylegan2/versions/1/files/stylegan2-ffhq-256x256.pkl"
    )
    entry = find_published("stylegan2-ada-cifar10")
    assert entry.url == "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/cifar10.pkl"
    assert (entry.resolution, entry.num_classes, entry.non_commercial) == (32, 10, True)


def test_an_unknown_name_is_answered_with_similar_ones():
    with pytest.raises(ValueError) as error:
        find_published("stylegan2-fhq-256x256")
    message = str(error.value)
    assert message.startswith("A published network must be a name of --list, such as stylegan2-ffhq-256x256, ")
    assert message.endswith(". Received: 'stylegan2-fhq-256x256'.")
    assert "\n" not in message
    assert sum(entry.name in message for entry in PUBLISHED_NETWORKS) >= 4


def test_the_text():
    lines = describe_catalogue().split("\n")
    assert "non-commercial" in lines[0] and "page" in lines[0]
    assert [line for line in lines if len(line) > 100 and "https://" not in line] == []
    text = "\n".join(lines)
    for entry in PUBLISHED_NETWORKS:
        row = next(line for line in lines if line.startswith(f"  {entry.name} "))
        assert row.endswith(f" {entry.resolution}x{entry.resolution}")
        assert f" {entry.shows}" in row
        below = [*lines, ""][lines.index(row) + 1 :][:2]
        assert below[0].strip() == entry.url
        assert below[1].partition("sha256: ")[2] == entry.sha256
    assert text.count("\nStyleGAN2-ADA, PyTorch\n") == 2  # two pages
    assert "  licence: Nvidia Source Code License, for non-commercial use only\n" in text
    assert "  licence: Apache-2.0\n" in text


def test_the_text_of_some():
    entry = find_published("stylegan2-ada-cifar10")
    assert describe_catalogue([entry]).split("\n")[2:] == [
        "",
        "StyleGAN2-ADA, PyTorch",
        "  page: https://github.com/NVlabs/stylegan2-ada-pytorch",
        "  licence: Nvidia Source Code License, for non-commercial use only",
        "  stylegan2-ada-cifar10              CIFAR-10, 10 classes                    32x32",
        "    https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/cifar10.pkl",
        "    sha256: f8952c74e23da2186d147ad871c48780bd59500ee37c301201081ee8e0cb32f1",
    ]
