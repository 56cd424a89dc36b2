"""Uploading a model folder to the hub."""

from pathlib import Path

from huggingface_hub import HfApi, constants
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

from ..core.errors import OutgrowError, UsageError, first_line


def push(folder: Path, repository: str) -> str:
    """Upload every file of a model folder; the repository is made, private, where there is none. Returns its address.

    Raises UsageError where the repository's name is none, OutgrowError where the hub is off, out of reach, or refuses.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no model folder here to push")
    if constants.HF_HUB_OFFLINE:
        raise OutgrowError("the hub is turned off here (HF_HUB_OFFLINE is set); nothing was pushed")
    api = HfApi()
    try:
        place = api.create_repo(repository, private=True, exist_ok=True)
        # As one commit, so that nobody downloads half a model.
        api.upload_folder(repo_id=repository, folder_path=folder)
    except HFValidationError as error:
        raise UsageError(f"--to {repository}: the hub takes USER/NAME ({error})") from error
    except LocalTokenNotFoundError as error:
        raise OutgrowError("not logged in to the hub: run hf auth login, or set HF_TOKEN; nothing was pushed") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        advice = "log in with hf auth login, or set HF_TOKEN" if status == 401 else "this token may not write there"
        reason = advice if status in (401, 403) else first_line(error)
        raise OutgrowError(f"the hub refused {repository} ({status}): {reason}; nothing was pushed") from error
    except Exception as error:  # refused, unresolved, timed out: the types belong to whichever HTTP library the hub client uses
        raise OutgrowError(f"the hub cannot be reached ({type(error).__name__}: {error}); nothing was pushed") from error
    return str(place)
