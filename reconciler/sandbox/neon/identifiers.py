"""Ids that look like Neon's: two words and a few digits."""

import secrets

_ADJECTIVES = (
    "aged", "ancient", "autumn", "billowing", "bitter", "bold", "broad", "calm", "cold", "cool", "crimson",
    "damp", "dark", "dawn", "delicate", "divine", "dry", "falling", "flat", "fragrant", "frosty", "gentle",
    "green", "hidden", "holy", "icy", "late", "lingering", "little", "long", "lucky", "misty", "morning", "muddy",
    "nameless", "noisy", "odd", "old", "patient", "plain", "polished", "proud", "purple", "quiet", "rapid", "red",
    "restless", "rough", "round", "shiny", "shy", "silent", "small", "snowy", "soft", "solitary", "sparkling",
    "spring", "square", "steep", "still", "summer", "super", "sweet", "tight", "tiny", "twilight", "wandering",
    "weathered", "white", "wild", "winter", "wispy", "withered", "yellow", "young",
)  # fmt: skip
_NOUNS = (
    "art", "band", "bar", "base", "bird", "block", "boat", "bonus", "bread", "breeze", "brook", "bush",
    "butterfly", "cake", "cell", "cherry", "cloud", "credit", "darkness", "dawn", "dew", "disk", "dream", "dust",
    "feather", "field", "fire", "firefly", "flower", "fog", "forest", "frog", "frost", "glade", "glitter",
    "grass", "hall", "hat", "haze", "heart", "hill", "king", "lab", "lake", "leaf", "limit", "math", "meadow",
    "mode", "moon", "morning", "mountain", "mouse", "mud", "night", "paper", "pine", "poetry", "pond", "queen",
    "rain", "recipe", "resonance", "rice", "river", "salad", "scene", "sea", "shadow", "shape", "silence", "sky",
    "smoke", "snow", "sound", "star", "sun", "surf", "term", "thunder", "tooth", "tree", "truth", "union", "unit",
    "violet", "voice", "water", "waterfall", "wave", "wildflower", "wind", "wood",
)  # fmt: skip


def project() -> str:
    """Return a project id, such as `aged-wildflower-12345678`."""
    return f"{_words()}-{secrets.randbelow(10**8):08d}"


def branch() -> str:
    """Return a branch id, such as `br-young-forest-a5b6c7d8`."""
    return f"br-{_words()}-{_tail()}"


def endpoint() -> str:
    """Return an endpoint id, such as `ep-cool-darkness-a5b6c7d8`."""
    return f"ep-{_words()}-{_tail()}"


def snapshot() -> str:
    """Return a snapshot id, such as `snap-cool-darkness-a5b6c7d8`."""
    return f"snap-{_words()}-{_tail()}"


def password() -> str:
    """Return a role's password, as Neon's look."""
    return f"npg_{secrets.token_hex(8)}"


def _words() -> str:
    return f"{secrets.choice(_ADJECTIVES)}-{secrets.choice(_NOUNS)}"


def _tail() -> str:
    return "a" + secrets.token_hex(4)[1:]
