#!/usr/bin/env bash
# zensical 0.0.72: a site built with the plugin `offline` asks an outside host for a script; the same site without the plugin does not.
#
# Expected of the name: pages that need no network. Seen: `zensical build --strict` reports no issue, and every page then holds
# <script src="https://unpkg.com/iframe-worker/shim"> (search from file:// needs it). Opened without a network, the page waits for that
# host; opened with one, it tells the host that it was read. Without the plugin no page loads anything from elsewhere.
# Exit code 0 while this is so, 1 when it changes.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check zensical==0.0.72 click==8.5.1 deepmerge==4.0.0 \
    Jinja2==3.1.6 Markdown==3.11.3 MarkupSafe==3.0.4 Pygments==2.21.0 pymdown-extensions==13.1.2 PyYAML==6.0.3 tomli==2.5.0
mkdir -p "$place/docs"
printf '# Hello\n\nOne page.\n' > "$place/docs/index.md"
loads() { # plugins -> how many scripts, styles and pictures of the pages come from another host
    printf 'site_name: x\ntheme: {name: material, font: false}\nplugins: [%s]\n' "$1" > "$place/mkdocs.yml"
    (cd "$place" && venv/bin/python -m zensical build --strict --clean > build.log 2>&1) || { cat "$place/build.log"; return 1; }
    { grep -rhoE '<(script|link|img)[^>]+(src|href)="https?://[^"]+"' "$place/site" --include='*.html' || true; } |
        { grep -vE 'rel="?(canonical|next|prev)' || true; } | sort -u | tee /dev/stderr | wc -l
}
echo "zensical $("$place/venv/bin/python" -m pip show zensical 2>/dev/null | sed -n 's/^Version: //p')"
without=$(loads search)
with=$(loads "search, offline")
echo "resources from another host: $without without the plugin offline, $with with it"
[ "$without" -eq 0 ] && [ "$with" -gt 0 ]
