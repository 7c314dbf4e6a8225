"""What is served under /console/: every file, typed, under a strict policy; libraries named with their licences."""

import re

from aiohttp import web

from service.console import FOLDER, files, fingerprint, index_page, pages

STRICT = ("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'")


def application() -> web.Application:
    app = web.Application()
    for path, page in pages().items():
        app.router.add_get(path, page)
    return app


async def test_every_file_is_served_under_the_policy(aiohttp_client) -> None:
    client = await aiohttp_client(application())
    version = fingerprint()
    for path in ("", *(f"{version}/{file.relative_to(FOLDER).as_posix()}" for file in files())):
        async with client.get(f"/console/{path}") as response:
            policy = response.headers["Content-Security-Policy"]
            assert response.status == 200, path
            assert all(rule in policy for rule in STRICT)
            assert "unsafe" not in policy
            if path.endswith(".js"):
                assert response.content_type == "text/javascript"
    for path in (
        f"{version}/vendor/README.md",
        "vendor/README.md",
        f"{version}/nothing.js",
        "0123456789abcdef/nothing.js",
    ):
        async with client.get(f"/console/{path}") as response:
            assert response.status == 404
    async with client.get("/console", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (308, "/console/")


async def test_a_file_never_changes_where_it_stands_and_another_version_leads_to_this_one(aiohttp_client) -> None:
    client = await aiohttp_client(application())
    async with client.get("/console/") as response:
        assert response.headers["Cache-Control"] == "no-cache"
    async with client.get("/console/0123456789abcdef/app/main.js") as response:
        assert response.url.path == f"/console/{fingerprint()}/app/main.js"
        assert response.headers["Cache-Control"].endswith("immutable")
        assert [before.status for before in response.history] == [307]


def test_the_index_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    index = index_page()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|https?://", index)
    for module in (file for file in files() if file.parent != FOLDER and file.suffix == ".js"):
        assert f'modulepreload" href="{fingerprint()}/{module.relative_to(FOLDER).as_posix()}"' in index


def test_every_import_leads_to_a_file() -> None:
    """There is no build step that would notice."""
    for module in files():
        if module.suffix == ".js" and module.parent.name != "vendor":
            for name in re.findall(r'from "([^"]+)"', module.read_text()):
                assert (module.parent / name).is_file(), f"{module.name} imports {name}"


def test_every_library_is_named_with_its_licence() -> None:
    table = (FOLDER / "vendor" / "README.md").read_text()
    for path in (FOLDER / "vendor").iterdir():
        if path.name != "README.md":
            name = re.sub(r"^geist-(?!mono).*\.woff2", "geist-*.woff2", path.name)
            assert f"`{name}`" in table, path.name
