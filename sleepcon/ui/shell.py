"""The frame around every page: the list of pages, the guard against a first visit that goes past app.py, the footer."""

import streamlit as st

from sleepcon.paths import ASSETS
from sleepcon.ui import APP, state

ROUTED = "routed"
STYLE = """
[class*="st-key-asked"] [data-testid="stText"] { font-weight: 600; }
[data-testid="stText"] { overflow-wrap: anywhere; }
[data-testid="stSliderThumbValue"] { color: inherit !important; }
[data-testid="stSliderThumbValue"] * { color: inherit !important; }
@media (prefers-reduced-motion: reduce) { *, *::before, *::after { animation: none !important; transition: none !important; } }
"""
"""What the settings cannot say. No text of a user's ever gets into it."""


PAGES = (
    ("filter", "What gets remembered?"),
    ("lora", "Gentle learning: LoRA"),
    ("frozen", "The frozen problem"),
    ("cycles", "Sleep cycles"),
    ("experience", "Experience deep dive"),
    ("web4", "Web4 trust"),
    ("specifications", "Technical specifications"),
    ("questions", "Open research questions"),
    ("demo", "Live demo"),
)
"""File in pages/ (and address) and title of each page after the first, in the order of the navigation."""


def pages() -> list:
    """Every page, in the order of the navigation. The default one is at the bare address, and under its own name too."""
    home, title = APP / "pages" / "home.py", "Sleep Consolidation"
    return [
        st.Page(home, title=title, url_path="start", default=True),
        st.Page(home, title=title, url_path="home", visibility="hidden"),
        *(st.Page(APP / "pages" / f"{name}.py", title=title, url_path=name) for name, title in PAGES),
    ]


def run() -> None:
    """Build the navigation and run the page that was asked for: all that app.py does."""
    st.session_state[ROUTED] = True
    page = st.navigation(pages())
    # A file of our own: an icon by name, here or in pages(), would be fetched from a font server.
    st.set_page_config(page_title="Sleep Consolidation", page_icon=str(ASSETS / "logo.svg"), layout="centered")
    st.html(f"<style>{STYLE}</style>")
    page.run()


def begin() -> None:
    """First line of every page: make sure that app.py frames it, and load the state.

    On a fresh server a deep link to a page runs its script directly, past app.py, because a folder is called pages/.
    Naming the pages once to Streamlit ends that for good; then the visit starts anew, through app.py.
    """
    if ROUTED not in st.session_state:
        st.session_state[ROUTED] = True
        st.navigation(pages())
        st.rerun()
    state.load()
