"""Every piece of state that pages share, in one table: its default, its bounds, how it is written in the URL.

Each field lives in the session under its name and in the URL under the same name, so whatever can be changed can be
shared. What comes from a URL is clamped; what cannot be read is the default. Widgets use a key of their own (``widget``),
because Streamlit forgets the value of a widget that the current page does not show.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from sleepcon.controls import CONTROLS

NO_CONTROL = "none"
BRAIN = re.compile(r"visitor-[0-9a-f]{24}")
"""Names of visitors' brains. A URL can name no other: brains of the command line have names that can be guessed."""
LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True)
class Field:
    """One piece of state: ``read`` turns the URL's text into a value in bounds (or raises ``ValueError``), ``write`` back."""

    name: str
    default: Callable[[], Any]
    read: Callable[[str], Any]
    write: Callable[[Any], str] = str


def read_threshold(text: str) -> float:
    """The nearest step of .05 from 0 to .9."""
    value = float(text)
    if value != value:
        raise ValueError("not a number")
    return round(min(max(value, 0.0), 0.9) * 20) / 20


def read_seed(text: str) -> int:
    """A whole number from 0 to 2**31 - 1."""
    return min(max(int(text), 0), LARGEST_SEED)


def read_brain(text: str) -> str:
    """The name of a visitor's brain."""
    if not BRAIN.fullmatch(text):
        raise ValueError("not the name of a visitor's brain")
    return text


def new_brain() -> str:
    """A name that nobody can guess (96 random bits)."""
    return f"visitor-{secrets.token_hex(12)}"


def read_weights(text: str) -> tuple[float, ...]:
    """Five weights, each the nearest step of .1 from 0 to 2, not all 0; written ``1_1_0.5_1_2``."""
    values = [float(part) for part in text.split("_")]
    if len(values) != 5 or any(value != value for value in values):
        raise ValueError("not five numbers")
    weights = tuple(round(min(max(value, 0.0), 2.0), 1) for value in values)
    if not any(weights):
        raise ValueError("all weights are 0")
    return weights


def read_key(text: str) -> str:
    """A short name of twelve hexadecimal digits."""
    if not re.fullmatch(r"[0-9a-f]{12}", text):
        raise ValueError("not a short name")
    return text


def write_weights(weights: tuple[float, ...]) -> str:
    """As ``read_weights`` reads them."""
    return "_".join(f"{weight:g}" for weight in weights)


def whole(name: str, default: int, low: int, high: int) -> Field:
    """A field that holds a whole number from ``low`` to ``high``."""
    return Field(name, lambda: default, lambda text: min(max(int(text), low), high))


def choice(name: str, options: tuple[str, ...]) -> Field:
    """A field that holds one of ``options``; the first is the default."""

    def read(text: str) -> str:
        if text not in options:
            raise ValueError(f"not one of {', '.join(options)}")
        return text

    return Field(name, lambda: options[0], read)


THRESHOLD = Field("threshold", lambda: 0.6, read_threshold, lambda value: f"{value:.2f}")
SEED = Field("seed", lambda: 0, read_seed)
BRAIN_NAME = Field("brain", new_brain, read_brain)
SOURCE = choice("salience", ("documented", "measured"))
"""Which salience decides about the document's exchanges; what has no documented one goes by the measured one anyway."""
WEIGHTS = Field("weights", lambda: (1.0,) * 5, read_weights, write_weights)
CONTROL = choice("control", (NO_CONTROL, *CONTROLS))
"""What the next night is; see ``controls.py``."""
PRESENT = whole("present", 0, 0, 1)
"""Whether the live demo shows nothing but itself: a field of that page, and the frame around it."""
FIELDS = (THRESHOLD, SEED, BRAIN_NAME, SOURCE, WEIGHTS, CONTROL)


def load(*own: Field) -> None:
    """Fill the session from the URL at its first run, and keep the URL in step at every run. ``own``: the page's own fields."""
    for field in (*FIELDS, *own):
        if field.name not in st.session_state:
            st.session_state[field.name] = from_url(field)
        written = field.write(st.session_state[field.name])
        if st.query_params.get(field.name) != written:
            st.query_params[field.name] = written


def from_url(field: Field) -> Any:
    """The field's value in the URL, clamped, else its default."""
    text = st.query_params.get(field.name)
    try:
        return field.default() if text is None else field.read(text[:100])
    except (ValueError, OverflowError):
        return field.default()


def get(field: Field) -> Any:
    """The field's value in this session."""
    return st.session_state[field.name]


def put(field: Field, value: Any) -> None:
    """Set the field, for a callback: the URL follows in the run that comes after."""
    st.session_state[field.name] = value


def widget(field: Field) -> dict[str, Any]:
    """``key`` and ``on_change`` for the widget that shows the field.

    Give the widget the field's value as its default too (``value``, ``index`` or ``default``): a run that comes before the
    browser has drawn the last one takes its place, and a widget first drawn then starts at its default, and reports that.
    """
    key = f"widget_{field.name}"
    if st.session_state.get(key) != get(field):  # set anew at every run, it would pull a slider back that is being moved
        st.session_state[key] = get(field)
    return {"key": key, "on_change": lambda: put(field, st.session_state[key])}


def start_over() -> None:
    """A fresh brain and the threshold's default; the seed stays."""
    put(BRAIN_NAME, new_brain())
    put(THRESHOLD, THRESHOLD.default())


def new_seed() -> None:
    """Another seed, drawn at random, small enough to be read aloud."""
    put(SEED, secrets.randbelow(9999) + 1)
