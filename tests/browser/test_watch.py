"""What the other tests rely on notices what it is for."""

from playwright.sync_api import Browser

from tests.browser.conftest import Site, watch
from tests.browser.test_pages_accessible import check


def test_what_the_policy_refuses_is_noticed(site: Site, browser: Browser, db: None) -> None:
    noticed: list[str] = []
    page = browser.new_page(base_url=site.url)
    watch(page, site.url, noticed)
    page.goto("/")
    assert noticed == []

    page.evaluate("document.body.setAttribute('style', 'color: red')")
    page.evaluate("document.body.append(Object.assign(new Image(), {src: 'https://elsewhere.example/x.png'}))")
    page.evaluate("setTimeout(() => { throw new Error('a fault of ours') })")
    page.wait_for_timeout(300)
    page.close()

    everything = "\n".join(noticed)
    for part in ("style-src", "elsewhere.example", "a fault of ours"):
        assert part in everything


def test_what_is_hard_to_read_is_noticed(site: Site, browser: Browser, db: None) -> None:
    page = browser.new_page(base_url=site.url)
    page.goto("/")
    page.evaluate("document.querySelector('.hero p').style.color = '#999'")
    page.evaluate("document.querySelector('h1').outerHTML = '<img src=\"/favicon.svg\">'")
    faults = "\n".join(check(page))
    page.close()

    for rule in ("color-contrast", "image-alt"):
        assert rule in faults
