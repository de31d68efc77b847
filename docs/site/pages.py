"""The site's pages: the repository's own documents, each at its path in the repository, so that their links lead to the same places."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("*.md", "docs/**/*.md", "docs/**/*.svg", "docs/**/*.css", "components/*/README.md", "pipelines/*/README.md")
OTHERS = ("benchmarks/README.md", "infra/terraform/README.md")
# What `make docs` has fetched: no page loads a script from elsewhere.
MERMAID = ("docs/site/mermaid.min.js", ROOT / "build" / "docs" / "mermaid.min.js")
_LINK = re.compile(r"(?<=\]\()(?P<path>[^()#\s:]+)(?P<anchor>#[^()\s]*)?(?=\))")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts the components' pages into the navigation."""
    table = re.findall(r"\]\((components/(\w+)/README\.md)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    [reference] = [item["Reference"] for item in config.nav or [] if "Reference" in item]
    reference.insert(0, {"Components": [{name: page} for page, name in table]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Gives the site the repository's documents instead of the folder `docs` alone."""
    for file in [file for file in files if file.src_dir == config.docs_dir]:
        files.remove(file)
    found = {path.relative_to(ROOT).as_posix(): path for pattern in (*DOCUMENTS, *OTHERS) for path in ROOT.glob(pattern)}
    for name, path in sorted((found | dict([MERMAID])).items()):
        file = File.generated(config, name, abs_src_path=str(path))
        file.edit_uri = name
        files.append(file)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Has links to what is no page, such as code, lead to the repository."""

    def lead(link: re.Match[str]) -> str:
        name = posixpath.normpath(posixpath.join(posixpath.dirname(page.file.src_uri), link["path"]))
        if f"{name}/README.md" in files.src_uris:
            return f"{link['path'].rstrip('/')}/README.md{link['anchor'] or ''}"
        if name in files.src_uris or not (ROOT / name).exists():  # what is nowhere is the build's to tell
            return link[0]
        return f"{config.repo_url.rstrip('/')}/{'tree' if (ROOT / name).is_dir() else 'blob'}/main/{name}{link['anchor'] or ''}"

    return _LINK.sub(lead, markdown)
