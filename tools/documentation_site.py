"""A hook of mkdocs.yml: the README and its neighbours are pages too, and links to files of the repository work.

In Markdown a link is written as it works in the repository. On the site, a link to a page leads to that page, and any
other linked file is copied beside the pages, as text.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES_OUTSIDE_DOCS = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
RELATIVE_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that lie outside of docs/, and rewrites the links of all."""
    pages = {f"docs/{file.src_uri}": file.src_uri for file in files.documentation_pages()} | PAGES_OUTSIDE_DOCS
    for source, page in pages.items():
        text, copied = site_links((ROOT / source).read_text(encoding="utf-8"), source, pages)
        replace(files, File.generated(config, page, content=text))
        for name in copied:
            content = (ROOT / name).read_text(encoding="utf-8")
            replace(files, File.generated(config, place_of_copy(name), content=content))
    return files


def site_links(text: str, source: str, pages: dict[str, str]) -> tuple[str, list[str]]:
    """Rewrites relative links for the site.

    Args:
        text: Markdown.
        source: The file it is of, from the root of the repository.
        pages: Path in the repository of every page, to its path on the site.

    Returns:
        The text, and the files of the repository that it links to and that are no part of docs/.
    """
    copied = []
    folder = posixpath.dirname(pages[source])

    def rewritten(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
        if target in pages:
            target = pages[target]
        elif target.startswith("docs/"):
            target = target.removeprefix("docs/")
        elif (ROOT / target).is_file():
            copied.append(target)
            target = place_of_copy(target)
        else:
            return match[1]  # MkDocs reports it
        return posixpath.relpath(target, folder or ".")

    return RELATIVE_LINK.sub(rewritten, text), copied


def place_of_copy(name: str) -> str:
    """Where a file of the repository lies on the site; browsers show what ends in .txt and save much of the rest."""
    return f"repository/{name}.txt"


def replace(files: Files, file: File) -> None:
    """Adds a file, or puts it in the place of the one of its path."""
    old = files.get_file_from_path(file.src_uri)
    if old is not None:
        files.remove(old)
    files.append(file)
