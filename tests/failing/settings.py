"""`DJANGO_SETTINGS_MODULE=tests.failing.settings`: the service with two addresses that fail."""

from wavelength.settings import *  # noqa: F403  # these are the settings, with more addresses

ROOT_URLCONF = "tests.failing.urls"
