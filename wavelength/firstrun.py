"""`python -m wavelength.firstrun [COMMAND …]`: see to it that there are secrets, then run manage.py.

It stands outside Django, because the settings cannot be read before the secrets exist. Without a command it
runs `develop`, which is what `make run` is.
"""

import os
import re
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
HEADER = """\
# Written by `make run`, with secrets of this checkout's own; .env.example explains every setting.
# Keep API_KEY_ENCRYPTION_KEY: without it no stored provider key can ever be opened again.
DEBUG=true
"""


def complete_environment(file: Path, environ: Mapping[str, str]) -> None:
    """Write `file` (mode 0600) where it is missing; append the secrets that neither it nor `environ` names.

    What stands in it is never changed.
    """
    fresh = {"SECRET_KEY": secrets.token_urlsafe(48), "API_KEY_ENCRYPTION_KEY": secrets.token_hex(32)}
    try:
        known = file.read_text()
    except FileNotFoundError:
        known = ""
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as new:  # noqa: PTH123  (a descriptor)
            new.write(HEADER)
    lacking = [name for name in fresh if not environ.get(name) and not _names(known, name)]
    if lacking:
        with file.open("a") as added:
            added.write("\n" if known and not known.endswith("\n") else "")
            added.writelines(f"{name}={fresh[name]}\n" for name in lacking)


def _names(content: str, name: str) -> bool:
    return re.search(rf"^\s*(?:export\s+)?{name}\s*=", content, re.MULTILINE) is not None


def main() -> None:
    """Never returns."""
    try:
        complete_environment(CHECKOUT / ".env", os.environ)
    except OSError as error:
        sys.exit(f"{CHECKOUT / '.env'} cannot be written ({error.strerror}), but the secrets belong there.")
    if not _names((CHECKOUT / ".env").read_text(), "DEBUG"):
        os.environ.setdefault("DEBUG", "true")  # an .env of one's own that leaves it open: this is for development
    os.chdir(CHECKOUT)
    os.execv(sys.executable, [sys.executable, "manage.py", *(sys.argv[1:] or ["develop"])])  # noqa: S606  (this very program)


if __name__ == "__main__":
    main()
