"""The process of `pull` in which pip fetches a package. It ends with `pull`, however that ends.

A line in: pip's arguments as JSON. What pip says comes out.
"""

import json
import os
import runpy
import sys

from outgrow.core.children import end_with_parent


def main() -> None:
    """Run pip once."""
    end_with_parent()
    os.dup2(1, 2)  # errors are the answer
    sys.argv = ["pip", *json.loads(sys.stdin.readline())]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
