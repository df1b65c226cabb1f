"""Which models may stand in for another: told by the names that genai-prices lists."""

import pytest

from usage.families import kin_of, kind_of


@pytest.mark.parametrize(
    ("provider", "model", "first"),
    [
        ("openai", "gpt-4o", "gpt-4o-mini"),
        ("openai", "gpt-4o-2024-08-06", "gpt-4o-mini"),
        ("openai", "openai/gpt-4o", "openai/gpt-4o-mini"),
        ("openrouter", "openai/gpt-4o", "openai/gpt-4o-mini"),
        ("openai", "gpt-4.1", "gpt-4.1-mini"),
        ("google", "gemini-2.5-pro", "gemini-2.5-flash"),
        ("google", "gemini-2.5-flash", "gemini-2.5-flash-lite"),
        ("xai", "x-ai/grok-3", "x-ai/grok-3-mini"),
        ("anthropic", "claude-3-opus-20240229", "claude-3-sonnet"),
    ],
)
def test_the_nearest_of_kin_is_named_as_the_client_names_models(provider: str, model: str, first: str) -> None:
    assert kin_of(provider, model)[0] == first


def test_a_newer_one_of_the_same_size_comes_before_smaller_ones() -> None:
    kin = kin_of("anthropic", "claude-opus-4-1")
    assert kin.index("claude-opus-4-5") < kin.index("claude-sonnet-4-5") < kin.index("claude-haiku-4-5")
    assert "claude-opus-4-0" not in kin
    assert "claude-opus-4-1" not in kin


def test_one_seller_does_not_sell_what_only_another_lists() -> None:
    assert all(name.startswith("anthropic/") for name in kin_of("openrouter", "anthropic/claude-opus-4.1"))
    assert "anthropic/claude-sonnet-4.5" in kin_of("openrouter", "anthropic/claude-opus-4.1")


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-audio-preview"),
        ("openai", "gpt-image-1"),
        ("openai", "gpt-4o-mini"),
        ("google", "gemini-2.5-flash-lite"),
        ("anthropic", "claude-2"),
        ("openrouter", "meta-llama/llama-3-70b"),
        ("nobody", "gpt-4o"),
        ("", ""),
        ("openai", "gpt-" + "9" * 190),
    ],
)
def test_of_others_nothing_is_known(provider: str, model: str) -> None:
    assert kin_of(provider, model) == []


def test_a_variant_is_no_plain_model() -> None:
    assert kind_of("gpt-4o:extended") is None
    assert kind_of("gemini-2.5-pro-tts") is None
