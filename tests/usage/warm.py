"""The application with all it needs loaded, so that a forked worker answers its first request like any other."""

from django.urls import get_resolver

from wavelength.wsgi import application

__all__ = ["application"]
assert get_resolver().url_patterns
