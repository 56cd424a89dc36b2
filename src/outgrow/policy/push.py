"""Uploading a model folder to the hub."""

from pathlib import Path

from huggingface_hub import HfApi, constants
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

from ..core.errors import OutgrowError, UsageError, first_line


def push(folder: Path, repository: str) -> str:
    """Upload every file of a model folder and return the repository's address. A new repository is private.

    Raises UsageError where the folder does not exist or holds a link out of it, or the repository's name is invalid; OutgrowError
    where the hub is off, out of reach, or refuses.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: not a folder; give a model's folder")
    _require_own_files(folder)
    if constants.HF_HUB_OFFLINE:
        raise OutgrowError("the hub is turned off (HF_HUB_OFFLINE is set); nothing was pushed")
    api = HfApi()
    try:
        address = api.create_repo(repository, private=True, exist_ok=True)
        # As one commit, so that no download gets half a model.
        api.upload_folder(repo_id=repository, folder_path=folder)
    except HFValidationError as error:
        raise UsageError(f"--to {repository}: write it as USER/NAME ({error})") from error
    except LocalTokenNotFoundError as error:
        raise OutgrowError("not logged in to the hub; run hf auth login, or set HF_TOKEN; nothing was pushed") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        advice = "log in with hf auth login, or set HF_TOKEN" if status == 401 else "this token may not write there"
        reason = advice if status in (401, 403) else first_line(error)
        raise OutgrowError(f"the hub refused {repository} ({status}): {reason}; nothing was pushed") from error
    except Exception as error:  # the types of connection errors depend on the HTTP library that the hub client uses
        raise OutgrowError(f"the hub cannot be reached ({type(error).__name__}: {error}); nothing was pushed") from error
    return str(address)


def _require_own_files(folder: Path) -> None:
    """Raise UsageError where something in the folder is a link out of it, so that no other file is published, or is not a file."""
    inside = folder.resolve()
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(inside):
            raise UsageError(
                f"{path}: a link out of this folder, so another file would be published; remove it, or put a copy here"
            )
        if not path.is_file() and not path.is_dir():
            raise UsageError(f"{path}: not a regular file; remove it")
