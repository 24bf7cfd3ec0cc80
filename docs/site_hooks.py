"""Hooks of mkdocs: the navigation, the pages of the API, and the files outside docs/ that pages link to."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
INDEX = ROOT / "docs" / "README.md"
LINK = re.compile(r"(?<=\]\()([^)\s#]+)(?=[)#])")
API = {
    "Entry points of torch.hub": ["hubconf"],
    "Predictor": ["lib.core.predictor", "lib.core.video_predictor"],
    "Trainer": ["lib.core.trainer", "lib.core.step"],
    "Propagator": ["lib.propagation.propagator", "lib.propagation.options", "lib.propagation.video_propagator"],
    "PoseWarper": ["lib.models.pose_warper", "lib.deform_conv.deform_conv"],
    "Labels": ["lib.formats.labels.model", "lib.formats.labels.registry"],
    "Frames": ["lib.frames.source", "lib.frames.video_file"],
    "Tracker": ["lib.tracking.tracker"],
}
"""Pages of the API with the modules on each."""


def read_nav(text: str) -> list[dict[str, Any]]:
    """Return the navigation that an index describes: its sections and the pages that they link to, in order.

    Args:
        text: Index page, with a heading of the second level for each section.
    """
    nav: list[dict[str, Any]] = [{"Home": "README.md"}]
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0].partition(":")[0]
        found = (link for link in LINK.findall(section) if "//" not in link and link.endswith(".md"))
        pages = dict.fromkeys(site_path(f"docs/{link}") for link in found)
        nav.append({title: list(pages)})
    return [*nav, {"API": [api_path(title) for title in API]}]


def api_path(title: str) -> str:
    """Return the path of a page of the API in the site."""
    return f"api/{title.lower().replace(' ', '_').replace('.', '_')}.md"


def site_path(path: str) -> str:
    """Return the path in the site of a file of the repository: docs/ is its root.

    Args:
        path: Path from the root of the repository.
    """
    return os.path.normpath(path).replace(os.sep, "/").removeprefix("docs/")


def links(page: Path) -> list[str]:
    """Return the files of the repository that a page links to, as paths from the root of the repository.

    Args:
        page: Page in the repository.
    """
    targets = (target for target in LINK.findall(page.read_text(encoding="utf-8")) if "//" not in target)
    paths = (Path(os.path.normpath(page.parent / target)) for target in targets)
    return [path.relative_to(ROOT).as_posix() for path in paths if path.is_file()]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Set the navigation."""
    config.nav = read_nav(INDEX.read_text(encoding="utf-8"))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the API, and the files outside docs/ that pages link to."""
    from mkdocs.structure.files import File  # the navigation needs no mkdocs

    for title, modules in API.items():
        content = "\n\n".join([f"# {title}", *(f"::: {module}" for module in modules)])
        files.append(File.generated(config, api_path(title), content=content))
    pages = [
        ROOT / "docs" / file.src_uri for file in files.documentation_pages() if not file.src_uri.startswith("api/")
    ]
    for page in pages:
        for target in links(page):
            if not files.get_file_from_path(site_path(target)):
                files.append(File.generated(config, site_path(target), abs_src_path=str(ROOT / target)))
                pages += [ROOT / target] if target.endswith(".md") else []
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to the files of the site."""
    source = page.file.src_uri
    path = Path(str(page.file.abs_src_path)) if page.file.abs_src_path else None
    folder = path.parent.relative_to(ROOT).as_posix() if path else "docs"

    def to_site(found: re.Match[str]) -> str:
        if "//" in found[1] or source.startswith("api/"):
            return found[1]
        target = site_path(f"{folder}/{found[1]}")
        return os.path.relpath(target, PurePosixPath(source).parent).replace(os.sep, "/")

    return LINK.sub(to_site, markdown)
