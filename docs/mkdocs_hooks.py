"""Hooks of mkdocs.yml: the first page is README.md, the pages of api/ are made from docstrings, links are adapted."""
import pathlib
import posixpath
import re

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r'\[([^]]*)\]\((?!https?:)([^)#]*)(#[^)]*)?\)')


def on_files(files, config):
    """Add index.md and a page for each api/ entry of the navigation."""
    files.append(File.generated(config, 'index.md', content=(ROOT / 'README.md').read_text()))
    for part in re.findall(r'api/(\w+)\.md', str(config.nav)):
        files.append(File.generated(config, f'api/{part}.md', content=f'# tinynets.{part}\n\n::: tinynets.{part}\n'))
    return files


def on_page_markdown(markdown, page, **_):
    """Make links relative to the site; those to folders and outside of docs/ become plain text."""
    folder = '' if page.file.src_uri == 'index.md' else posixpath.join('docs', posixpath.dirname(page.file.src_uri))

    def adapted(match):
        text, target, anchor = match[1], match[2], match[3] or ''
        if not target:
            return match[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        uri = 'index.md' if path == 'README.md' else path.removeprefix('docs/')
        if uri == path or (ROOT / path).is_dir():  # not in docs/, or not a page
            return text
        return f'[{text}]({posixpath.relpath(uri, posixpath.dirname(page.file.src_uri) or ".")}{anchor})'
    return LINK.sub(adapted, markdown)
