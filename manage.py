#!/usr/bin/env python
import os
import sys


def main() -> None:
    """Run a management command; what the environment lacks is one sentence, not a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wavelength.settings")
    if sys.argv[1:2] == ["generate_encryption_key"]:
        # It makes what the settings of production refuse to do without.
        os.environ["DEBUG"] = "true"
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from wavelength.embedded import EmbeddedError

    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, EmbeddedError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
