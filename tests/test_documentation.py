"""The documentation: each page is in the menu of the site, and links lead somewhere, in the repository and on the site.

`mkdocs build --strict` checks the rest: anchors, and the names in the reference.
"""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
# Pages of the site that lie elsewhere in the repository.
OUTSIDE_DOCS = {"index.md": "README.md", "changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
LINK = re.compile(r"\]\(([^)#\s]*)(?:#[^)\s]*)?\)")


def name_of(file):
    return str(file.relative_to(ROOT))


@pytest.fixture(scope="module")
def menu():
    """The pages that the menu of mkdocs.yml leads to."""
    yaml = pytest.importorskip("yaml")

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!ENV", lambda loader, node: loader.construct_sequence(node)[-1])
    settings = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)

    def pages(entry):
        if isinstance(entry, str):
            return [entry]
        return [page for part in (entry.values() if isinstance(entry, dict) else entry) for page in pages(part)]

    return pages(settings["nav"])


def test_the_menu_leads_to_every_page_once(menu):
    assert sorted(menu) == sorted([page.relative_to(DOCS).as_posix() for page in PAGES] + [*OUTSIDE_DOCS])


@pytest.mark.parametrize("page", [*PAGES, *(ROOT / name for name in OUTSIDE_DOCS.values())], ids=name_of)
def test_links_lead_to_files_of_the_repository(page):
    targets = {target for target in LINK.findall(page.read_text(encoding="utf-8")) if target and "://" not in target}
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.fixture(scope="module")
def site():
    """The hook of mkdocs.yml."""
    pytest.importorskip("mkdocs", reason='needs pip install -e ".[docs]"')
    spec = importlib.util.spec_from_file_location("documentation_site", ROOT / "tools" / "documentation_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("source", "link", "on_the_site"),
    [
        ("README.md", "docs/data.md#labels", "data.md#labels"),
        ("README.md", "docs/images/demo.png", "images/demo.png"),
        ("README.md", "LICENSE", "repository/LICENSE.txt"),
        ("docs/training.md", "../README.md#presets", "index.md#presets"),
        ("docs/training.md", "images/flow.svg", "images/flow.svg"),
        ("docs/serving.md", "../docker/batching.txt", "repository/docker/batching.txt.txt"),
        ("docs/reference/data.md", "../data.md", "../data.md"),
        ("docs/reference/data.md", "../../LICENSE", "../repository/LICENSE.txt"),
        ("docs/data.md", "#labels", "#labels"),
        ("docs/data.md", "https://example.com/a.md", "https://example.com/a.md"),
        ("docs/data.md", "missing.md", "missing.md"),
    ],
)
def test_links_lead_to_pages_of_the_site(site, source, link, on_the_site):
    names = ("data.md", "training.md", "serving.md", "reference/data.md")
    pages = {f"docs/{name}": name for name in names} | site.PAGES_OUTSIDE_DOCS
    text, copied = site.site_links(f"see [this]({link}).", source, pages)
    assert text == f"see [this]({on_the_site})."
    assert copied == ([on_the_site.split("repository/")[1].removesuffix(".txt")] if "repository" in on_the_site else [])
