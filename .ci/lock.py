"""Write the hashes of every pinned package into requirements*.txt: `make lock`, after a version in one of them was changed.

A pin is a line NAME==VERSION; the comments at the top of a file and the files that it includes (-r) stay. Hashes that a pin has
stay, too, until its version changes. Those of a CPU build of torch (+cpu) are written by hand: it is not where other packages are.
"""

import re
import subprocess
import sys
from pathlib import Path

PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s\\]+)(?P<hashes>(?:\s*\\?\s*--hash=sha256:[0-9a-f]{64})*)", re.M)


def read(text: str) -> dict[tuple[str, str], set[str]]:
    """Return (normalised name, version) -> hashes of each pin of a requirements file."""
    return {
        (re.sub(r"[-_.]+", "-", pin["name"]).lower(), pin["version"]): set(re.findall(r"sha256:[0-9a-f]{64}", pin["hashes"]))
        for pin in PIN.finditer(text)
    }


def locked(file: Path) -> str:
    """Return the text of a requirements file with the hashes of its pins, each as `uv pip compile` finds them."""
    text = file.read_text(encoding="utf-8")
    kept, head = read(text), [line for line in text.splitlines() if line.startswith(("#", "-r "))]
    bare = "\n".join(f"{name}=={version}" for name, version in kept if "+" not in version)  # a local build is at no index
    how = ["--no-deps", "--generate-hashes", "--no-header", "--no-annotate", "--no-strip-markers", "--python-version", "3.11.5"]
    done = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "compile", "--quiet", *how, "-"],
        input=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{file}: {done.stderr.strip()}")
    lines = list(head)
    for (name, version), hashes in sorted(
        (kept | {pin: kept.get(pin, set()) | new for pin, new in read(done.stdout).items()}).items()
    ):
        if not hashes:
            sys.exit(f"{file}: no hash of {name}=={version} was found")
        lines.append(" \\\n    ".join([f"{name}=={version}", *(f"--hash={value}" for value in sorted(hashes))]))
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    for path in sorted(Path(__file__).resolve().parent.parent.glob("requirements*.txt")):
        path.write_text(locked(path), encoding="utf-8")
