"""sleepcon: see, touch and test how a language model learns in its sleep.

from sleepcon import Brain, Experience
"""

from typing import TYPE_CHECKING

from sleepcon.experience import Experience

if TYPE_CHECKING:
    from sleepcon.brain import Brain

__all__ = ["Brain", "Experience"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import ``Brain``, and torch with it, when it is first asked for: pages must start without."""
    if name == "Brain":
        from sleepcon.brain import Brain

        return Brain
    raise AttributeError(f"module 'sleepcon' has no attribute {name!r}")
