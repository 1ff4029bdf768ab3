"""Well-known published networks that can be read: what they show, where they are, and under which licence.

Addresses are those that the projects' own pages name. Checksums are not published there. They are the ones that others
have written down: files of the same name that are mirrored with their SHA-256, or projects that check their downloads.
A comment says which; "two" stands for two that agree independently of each other. An empty one means that none was
found.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
from collections.abc import Iterator, Sequence

from stylegan_tf.errors import UserError

NOTES = (
    "Most of these networks are for non-commercial use only. What counts is the licence on their page.",
    "Addresses of Google Drive often have to be opened in a browser. SHA-256 where it is publicly known.",
)

_CC_BY_NC = "CC BY-NC 4.0"
_NVIDIA_NC = "Nvidia Source Code License-NC"
_NVIDIA = "Nvidia Source Code License"
_APACHE = "Apache-2.0"

_DRIVE = "https://drive.google.com/uc?id="
_STYLEGAN2 = "https://nvlabs-fi-cdn.nvidia.com/stylegan2/networks/"
_ADA_TENSORFLOW = "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada/pretrained/"
_ADA_PYTORCH = "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/"
_STYLEGAN3_RELEASE = "https://api.ngc.nvidia.com/v2/models/nvidia/research/stylegan2/versions/1/files/"
_SELF_DISTILLED = "https://storage.googleapis.com/self-distilled-stylegan/"


@dataclasses.dataclass(frozen=True)
class PublishedEntry:
    """A published network.

    Attributes:
        name: Short, and no other network's.
        code: What wrote the file, such as "StyleGAN2-ADA, PyTorch".
        shows: What the images show, and the data set.
        resolution: Height and width of the network's images in pixels.
        num_classes: 0 for a network without labels.
        page: Where a person reads about it.
        url: Of the file.
        licence: Its name.
        non_commercial: Whether that forbids commercial use.
        sha256: Of the file, 64 hexadecimal digits; empty when it is not publicly known.
    """

    name: str
    code: str
    shows: str
    resolution: int
    page: str
    url: str
    licence: str
    non_commercial: bool
    sha256: str = ""
    num_classes: int = 0


@dataclasses.dataclass(frozen=True)
class _Source:
    """What the networks of one page have in common."""

    code: str
    page: str
    licence: str
    folder: str

    def entry(
        self, name: str, shows: str, resolution: int, file: str = "", sha256: str = "", *, num_classes: int = 0
    ) -> PublishedEntry:
        """An entry; the file is called as the network unless `file` says otherwise."""
        return PublishedEntry(
            name,
            self.code,
            shows,
            resolution,
            self.page,
            self.folder + (file or f"{name}.pkl"),
            self.licence,
            self.licence != _APACHE,
            sha256,
            num_classes,
        )


_progan = _Source(
    "ProGAN (2018), TensorFlow", "https://github.com/tkarras/progressive_growing_of_gans", _CC_BY_NC, _DRIVE
).entry
_stylegan = _Source("StyleGAN (2019), TensorFlow", "https://github.com/NVlabs/stylegan", _CC_BY_NC, _DRIVE).entry
_stylegan2 = _Source("StyleGAN2, TensorFlow", "https://github.com/NVlabs/stylegan2", _NVIDIA_NC, _STYLEGAN2).entry
_ada_tensorflow = _Source(
    "StyleGAN2-ADA, TensorFlow", "https://github.com/NVlabs/stylegan2-ada", _NVIDIA, _ADA_TENSORFLOW
).entry
_ada_pytorch = _Source(
    "StyleGAN2-ADA, PyTorch", "https://github.com/NVlabs/stylegan2-ada-pytorch", _NVIDIA, _ADA_PYTORCH
).entry
_stylegan3_release = _Source(
    "StyleGAN2 of the StyleGAN3 release, PyTorch", "https://github.com/NVlabs/stylegan3", _NVIDIA, _STYLEGAN3_RELEASE
).entry
_self_distilled = _Source(
    "StyleGAN2-ADA, PyTorch",
    "https://github.com/self-distilled-stylegan/self-distilled-internet-photos",
    _APACHE,
    _SELF_DISTILLED,
).entry

PUBLISHED_NETWORKS: tuple[PublishedEntry, ...] = (
    # The page links the first file and the folder of all; the other addresses are those that GenForce's page lists as
    # the official files.
    _progan("progan-celebahq-1024x1024", "faces (CelebA-HQ)", 1024, "188K19ucknC6wg1R6jbuPEhTq9zoufOx4"),
    _progan("progan-lsun-bedroom-256x256", "bedrooms (LSUN)", 256, "1xbb2xakSn22lZoUcdaydQaBHoBSiUt6T"),
    _progan("progan-lsun-livingroom-256x256", "living rooms (LSUN)", 256, "1yhg7u-OqU8fYQ1A2GaMFwHg_bwKwmszF"),
    _progan("progan-lsun-churchoutdoor-256x256", "churches (LSUN)", 256, "1yGlooC5u4KuiOMzuJiA1W-MW4WB-wqnf"),
    _progan("progan-lsun-cat-256x256", "cats (LSUN)", 256, "1xuFIDNAO_A_fVU0jFcgQd_C9A4Fn8GnT"),
    _progan("progan-lsun-dog-256x256", "dogs (LSUN)", 256, "1yYmw3rAOIfOCZA0j8JvqYPEpe_NzM76A"),
    _progan("progan-lsun-horse-256x256", "horses (LSUN)", 256, "1yaqsBv7e10svlLR_CuRyz7KB0TOjMWoq"),
    _progan("progan-lsun-car-256x256", "cars (LSUN)", 256, "1xl6igEIL0N_wSLAocD6lyvTCsHkpRY88"),
    _stylegan("stylegan-ffhq-1024x1024", "faces (FFHQ)", 1024, "1MEGjdvVpUsu1jB4zrXZN7Y4kBBOzizDQ"),
    _stylegan("stylegan-celebahq-1024x1024", "faces (CelebA-HQ)", 1024, "1MGqJl28pN4t7SAtSrPdSRJSQJqahkzUf"),
    _stylegan("stylegan-bedrooms-256x256", "bedrooms (LSUN)", 256, "1MOSKeGF0FJcivpBI7s63V9YHloUTORiF"),
    _stylegan("stylegan-cars-512x384", "cars (LSUN), 384 high in a square", 512, "1MJ6iCfNtMIRicihwRorsM3b7mmtmK9c3"),
    _stylegan("stylegan-cats-256x256", "cats (LSUN)", 256, "1MQywl0FNt6lHu8E_EUqnRbviagS7fbiJ"),
    # Two: the mirror ZeqiangLai/StyleGAN2-pkl on Hugging Face, the table in the README of clibdev/stylegan2-pytorch.
    _stylegan2(
        "stylegan2-ffhq-config-f",
        "faces (FFHQ)",
        1024,
        sha256="adf127ea7bb8a7788c8bdeda3c9937f7310b669b09ecf799ca53a631ff46948d",
    ),
    _stylegan2("stylegan2-ffhq-config-e", "faces (FFHQ), smaller network", 1024),
    _stylegan2(
        "stylegan2-car-config-f",
        "cars (LSUN), 384 high in a square",
        512,
        sha256="e1618eee2b3ce87c4a3849442f7850ef12a478556bff035c8e09ee7e23b3794c",
    ),
    _stylegan2(
        "stylegan2-cat-config-f",
        "cats (LSUN)",
        256,
        sha256="08940fd616cfaf6bc7b0286b5d1a0b3f70febb26e136d64716c8d3f5e9bd3883",
    ),
    _stylegan2(
        "stylegan2-church-config-f",
        "churches (LSUN)",
        256,
        sha256="4090c5f83b44b83475c84864188aa39a0fb72694492302b7e6af36aad0d18104",
    ),
    _stylegan2(
        "stylegan2-horse-config-f",
        "horses (LSUN)",
        256,
        sha256="cbc73372c7d82d095913ca8b4b9f170560777175bd7c3b8a75dd55d70807f32b",
    ),
    _ada_tensorflow("stylegan2-ada-tensorflow-ffhq", "faces (FFHQ)", 1024, "ffhq.pkl"),
    _ada_tensorflow("stylegan2-ada-tensorflow-metfaces", "faces in art (MetFaces)", 1024, "metfaces.pkl"),
    _ada_tensorflow("stylegan2-ada-tensorflow-afhqcat", "cats (AFHQ)", 512, "afhqcat.pkl"),
    _ada_tensorflow("stylegan2-ada-tensorflow-afhqdog", "dogs (AFHQ)", 512, "afhqdog.pkl"),
    _ada_tensorflow("stylegan2-ada-tensorflow-afhqwild", "wild animals (AFHQ)", 512, "afhqwild.pkl"),
    _ada_tensorflow("stylegan2-ada-tensorflow-brecahad", "tissue (BreCaHAD)", 512, "brecahad.pkl"),
    _ada_tensorflow("stylegan2-ada-tensorflow-cifar10", "CIFAR-10", 32, "cifar10.pkl", num_classes=10),
    # Two: the mirror DragGan/DragGan-Models on Hugging Face, and several projects that check the download.
    _ada_pytorch(
        "stylegan2-ada-ffhq",
        "faces (FFHQ)",
        1024,
        "ffhq.pkl",
        "a205a346e86a9ddaae702e118097d014b7b8bd719491396a162cca438f2f524c",
    ),
    # The mirror ZeqiangLai/StyleGAN2-pkl, folder ada; its other files agree with those that are known twice.
    _ada_pytorch(
        "stylegan2-ada-metfaces",
        "faces in art (MetFaces)",
        1024,
        "metfaces.pkl",
        "880a460d011a3696c088f58f5844b44271b17903963f2671f96f72dfbce5f76f",
    ),
    _ada_pytorch("stylegan2-ada-afhqcat", "cats (AFHQ)", 512, "afhqcat.pkl"),
    _ada_pytorch(
        "stylegan2-ada-afhqdog",
        "dogs (AFHQ)",
        512,
        "afhqdog.pkl",
        "f124ff3f23206052473a7212cbc1f4e095a73c231500411e9c3b81a11eac3662",
    ),
    _ada_pytorch("stylegan2-ada-afhqwild", "wild animals (AFHQ)", 512, "afhqwild.pkl"),
    _ada_pytorch(
        "stylegan2-ada-brecahad",
        "tissue (BreCaHAD)",
        512,
        "brecahad.pkl",
        "f9f0c2766187aff4c3424c4a5a67d52c503672f28cf08eab645382523b7a5161",
    ),
    # Two: that mirror, and projects that check the download.
    _ada_pytorch(
        "stylegan2-ada-cifar10",
        "CIFAR-10",
        32,
        "cifar10.pkl",
        "f8952c74e23da2186d147ad871c48780bd59500ee37c301201081ee8e0cb32f1",
        num_classes=10,
    ),
    # The mirror ZeqiangLai/StyleGAN2-pkl, folder self_distill; horses and elephants also DragGan/DragGan-Models.
    _self_distilled(
        "self-distilled-dogs-1024",
        "dogs (SD-Dogs)",
        1024,
        "dogs_1024_pytorch.pkl",
        "c9e93090d02916165a602c728c0e37458fc0c58fbc58e4d75bcd096bb81c7e8c",
    ),
    _self_distilled(
        "self-distilled-elephants-512",
        "elephants (SD-Elephants)",
        512,
        "elephants_512_pytorch.pkl",
        "56504894f6d7121959af78a74148cf1e9d858e3710312efb11c41dbf27684363",
    ),
    _self_distilled(
        "self-distilled-horses-256",
        "horses (SD-Horses)",
        256,
        "horses_256_pytorch.pkl",
        "f100dc32e2731a293f3b31a9038416f72aa5cc30555b3315a82e19c065f81b0c",
    ),
    _self_distilled(
        "self-distilled-bicycles-256",
        "bicycles (SD-Bicycles)",
        256,
        "bicycles_256_pytorch.pkl",
        "f4f0cd402d11843257688afd31b2481efc3853cffb5d46e9669563f2d27d8131",
    ),
    _stylegan3_release("stylegan2-ffhq-1024x1024", "faces (FFHQ)", 1024),
    # The mirror DragGan/DragGan-Models on Hugging Face; its other files agree with those that are known twice.
    _stylegan3_release(
        "stylegan2-ffhq-512x512",
        "faces (FFHQ)",
        512,
        sha256="d2b1c92f41ce8a64c55f7a75ef06c4c0eef9e17b1eb29aae8c10fb37b3e60478",
    ),
    _stylegan3_release("stylegan2-ffhq-256x256", "faces (FFHQ)", 256),
    _stylegan3_release("stylegan2-ffhqu-1024x1024", "faces, not aligned (FFHQ-U)", 1024),
    _stylegan3_release("stylegan2-ffhqu-256x256", "faces, not aligned (FFHQ-U)", 256),
    _stylegan3_release("stylegan2-metfaces-1024x1024", "faces in art (MetFaces)", 1024),
    _stylegan3_release("stylegan2-metfacesu-1024x1024", "faces in art, not aligned (MetFaces-U)", 1024),
    _stylegan3_release("stylegan2-afhqv2-512x512", "cats, dogs, wild animals (AFHQv2)", 512),
    # As for FFHQ at 512x512.
    _stylegan3_release(
        "stylegan2-afhqcat-512x512",
        "cats (AFHQ)",
        512,
        sha256="17a83abee464242f8bb40dc6363d33c2fb087066b68fc0147677fdbf21f7a7a9",
    ),
    _stylegan3_release("stylegan2-afhqdog-512x512", "dogs (AFHQ)", 512),
    _stylegan3_release("stylegan2-afhqwild-512x512", "wild animals (AFHQ)", 512),
    _stylegan3_release("stylegan2-brecahad-512x512", "tissue (BreCaHAD)", 512),
    _stylegan3_release("stylegan2-cifar10-32x32", "CIFAR-10", 32, num_classes=10),
    # The README of uniky98/dgm2026-face, which continues training from it; one source only.
    _stylegan3_release(
        "stylegan2-celebahq-256x256",
        "faces (CelebA-HQ)",
        256,
        sha256="8b385aa564a58cdd97b4818620edcb27aeeb614345881b2ff0be91493b53fccc",
    ),
    _stylegan3_release("stylegan2-lsundog-256x256", "dogs (LSUN)", 256),
)


def is_published(name: str) -> bool:
    """Whether an entry has this name."""
    return any(entry.name == name for entry in PUBLISHED_NETWORKS)


def find_published(name: str) -> PublishedEntry:
    """The entry of this name.

    Raises:
        ValueError: There is none; the message names the most similar ones.
    """
    entries = {entry.name: entry for entry in PUBLISHED_NETWORKS}
    if name not in entries:
        similar = ", ".join(difflib.get_close_matches(name, entries, n=4, cutoff=0.0))
        raise UserError(
            f"A published network must be a name of --list, such as {similar}, or an address. Received: {name!r}."
        )
    return entries[name]


def describe_catalogue(entries: Sequence[PublishedEntry] = PUBLISHED_NETWORKS) -> str:
    """A table for a terminal of 100 columns, in groups of one format and page. Only addresses may be longer."""
    lines = list(NOTES)
    groups = itertools.groupby(entries, key=lambda entry: (entry.code, entry.page, entry.licence, entry.non_commercial))
    for (code, page, licence, non_commercial), group in groups:
        use = ", for non-commercial use only" if non_commercial else ""
        lines += ["", code, f"  page: {page}", f"  licence: {licence}{use}"]
        for entry in group:
            lines += _entry_lines(entry)
    return "\n".join(lines)


def _entry_lines(entry: PublishedEntry) -> Iterator[str]:
    classes = f", {entry.num_classes} classes" if entry.num_classes else ""
    yield f"  {entry.name:<35}{entry.shows + classes:<40}{entry.resolution}x{entry.resolution}"
    yield f"    {entry.url}"
    if entry.sha256:
        yield f"    sha256: {entry.sha256}"
