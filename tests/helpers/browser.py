"""The browser of this machine, for tests of how pages look; None without one."""

import shutil

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
