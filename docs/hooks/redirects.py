"""The addresses that pages had before they were sorted into sections still lead to them."""

from pathlib import PurePosixPath

SECTIONS = ("tutorials", "how-to", "reference", "explanation")
# Pages that became part of another one.
_JOINED = {"vllm.html": "how-to/language-models.html#vllm"}
_PAGE = """<!doctype html>
<html lang="en">
<title>This page has moved</title>
<meta http-equiv="refresh" content="1; url={target}">
<link rel="canonical" href="{target}">
<script>location.replace("{target}" + location.hash)</script>
<p>This page has moved: <a href="{target}">{target}</a></p>
</html>
"""


def redirects(addresses: list[str]) -> dict[str, str]:
    """The contents of the page at each former address, from the present addresses of all pages."""
    moved = dict(_JOINED)
    for address in addresses:
        section, _, former = address.partition("/")
        if section in SECTIONS:
            moved[former] = address
    return {
        former: _PAGE.format(target="../" * (len(PurePosixPath(former).parts) - 1) + address)
        for former, address in moved.items()
    }


def on_files(files, config):
    """Adds the former addresses to the site."""
    from mkdocs.structure.files import File

    for former, page in redirects([file.dest_uri for file in files.documentation_pages()]).items():
        files.append(File.generated(config, former, content=page))
    return files
