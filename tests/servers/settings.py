"""Settings of a server whose Google and GitHub are local: `DJANGO_SETTINGS_MODULE=tests.servers.settings`.

`LOCAL_GOOGLE` and `LOCAL_GITHUB` hold, as JSON, what `.settings` of the local server says.
"""

import json
import os
from typing import cast

from wavelength.settings import *  # noqa: F403  # these are the settings, with two addresses changed
from wavelength.settings import CONTENT_SECURITY_POLICY, SOCIALACCOUNT_PROVIDERS

SOCIALACCOUNT_PROVIDERS["google"] |= json.loads(os.environ.get("LOCAL_GOOGLE", "{}"))
SOCIALACCOUNT_PROVIDERS["github"] |= json.loads(os.environ.get("LOCAL_GITHUB", "{}"))
# A form may lead where they are, as it may lead to the real ones.
cast("dict[str, list[str]]", CONTENT_SECURITY_POLICY["DIRECTIVES"])["form-action"].extend(
    os.environ.get("LOCAL_PROVIDERS", "").split()
)
