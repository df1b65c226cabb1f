#!/usr/bin/env python
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wavelength.settings")
    if sys.argv[1:2] == ["generate_encryption_key"]:
        # It makes what the settings of production refuse to do without.
        os.environ["DEBUG"] = "true"
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
