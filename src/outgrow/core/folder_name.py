"""A name that is also the name of a folder."""

from typing import Annotated

from pydantic import AfterValidator

_MOST_BYTES = 200  # file systems take 255; what stands next to a folder while it is written has a longer name


def as_folder_name(name: str) -> str:
    """Return the name. Raises ValueError where no folder in `runs` could have it, or it would lead out of there.

    >>> as_folder_name("../other")
    Traceback (most recent call last):
    ValueError: names the run's folder, so it takes no slashes and no control characters, and is neither empty nor dots
    """
    plain = name.strip(". ") and name.isprintable() and not set(name) & set("/\\")
    if not plain:
        raise ValueError("names the run's folder, so it takes no slashes and no control characters, and is neither empty nor dots")
    if len(name.encode("utf-8", "surrogatepass")) > _MOST_BYTES:
        raise ValueError(f"names the run's folder, so it takes at most {_MOST_BYTES} bytes")
    return name


FolderName = Annotated[str, AfterValidator(as_folder_name)]
