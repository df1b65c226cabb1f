"""The style guide: every component is shown, and only while developing."""

import re

import pytest
from django.test import Client
from pytest_django import Settings

from wavelength.styleguide import COMPONENTS, components, takes

pytestmark = pytest.mark.django_db


def test_it_shows_every_component_in_both_schemes(anonymous: Client, settings: Settings) -> None:
    settings.DEBUG = True
    page = anonymous.get("/styleguide/").content.decode()

    shown = re.findall(r'data-component="(\w+)"', page)
    assert shown == components()
    assert len(shown) >= 30
    for name, section in zip(shown, page.split("data-component=")[1:], strict=True):
        light, dark = re.split("specimen-dark", section.partition("specimen-light")[2])
        assert re.search(r">\s*<\w", light) and re.search(r">\s*<\w", dark), name


@pytest.mark.parametrize("name", components())
def test_a_specimen_shows_the_component_itself(name: str) -> None:
    source = (COMPONENTS.parent / "styleguide" / f"{name}.html").read_text()
    assert f'"components/{name}.html"' in source or f'component "{name}"' in source


def test_it_is_not_there_in_production(anonymous: Client) -> None:
    assert anonymous.get("/styleguide/").status_code == 404


@pytest.mark.parametrize("name", components())
def test_each_component_says_what_it_takes(name: str) -> None:
    assert len(takes(name)) > 5
