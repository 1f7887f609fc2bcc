"""The frame around every page: the list of pages, the guard against a first visit that goes past app.py, the footer."""

import streamlit as st

from sleepcon.paths import ASSETS
from sleepcon.ui import APP, state, status

ROUTED = "routed"
STYLE = """
[class*="st-key-asked"] [data-testid="stText"] { font-weight: 600; }
[data-testid="stText"] { overflow-wrap: anywhere; }
[data-testid="stSliderThumbValue"] { color: inherit !important; }
[data-testid="stSliderThumbValue"] * { color: inherit !important; }
[data-variant="segmented_control"][data-selected], [data-variant="pills"][data-selected] { color: inherit !important; }
[data-variant="segmented_control"][data-selected] *, [data-variant="pills"][data-selected] * { color: inherit !important; }
[data-testid="stCode"] .token { color: inherit !important; }
@media (prefers-reduced-motion: reduce) {
  *, *::before, *::after { animation: none !important; transition: none !important; }
  [data-stale="true"] { opacity: 1 !important; }
  [data-testid="stExpander"] details { height: auto !important; }
}
"""
"""What the settings cannot say. No text of a user's ever gets into it.

Streamlit fades what is being drawn anew, after a moment. Without transitions that moment is gone, and a live chart flickers.
It unfolds an expander by script, by its height; an important height has the last word.
"""

PRESENTED = """
html { font-size: clamp(100%, 80% + 1.1vw, 150%); }
[data-testid="stHeader"] { display: none; }
[data-testid="stMainBlockContainer"] { max-width: 75rem; padding-top: 1.5rem; }
.st-key-status-line { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
"""
"""For the presenter's link: large type, no bar above, and a status line that is spoken but not shown."""

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
DEMO = "demo"


def pages() -> list:
    """Every page, in the order of the navigation. The default one is at the bare address, and under its own name too."""
    home, title = APP / "pages" / "home.py", "Sleep Consolidation"
    return [
        st.Page(home, title=title, url_path="start", default=True),
        st.Page(home, title=title, url_path="home", visibility="hidden"),
        *(st.Page(APP / "pages" / f"{name}.py", title=title, url_path=name) for name, title in PAGES),
    ]


def link(name: str, label: str) -> None:
    """A link to the page of the file ``name`` in pages/; the session, so the brain and the filter, goes along."""
    page = st.Page(APP / "pages" / f"{name}.py", title=dict(PAGES)[name], url_path=name)
    st.page_link(page, label=label, icon=":material/arrow_forward:")


def run() -> None:
    """Build the navigation and run the page that was asked for: all that app.py does."""
    st.session_state[ROUTED] = True
    presented = bool(st.session_state.get(state.PRESENT.name, state.from_url(state.PRESENT)))
    page = st.navigation(pages(), position="hidden" if presented else "sidebar")
    if presented and page.url_path != DEMO:  # only the demo does without the list of pages
        state.put(state.PRESENT, 0)
        st.rerun()
    # A file of our own: an icon by name, here or in pages(), would be fetched from a font server.
    st.set_page_config(page_title="Sleep Consolidation", page_icon=str(ASSETS / "logo.svg"), layout="centered")
    st.html(f"<style>{STYLE}{PRESENTED if presented else ''}</style>")
    page.run()
    status.line()


def begin(*own: state.Field) -> None:
    """First line of every page: make sure that app.py frames it, and load the state. ``own``: fields of this page alone.

    On a fresh server a deep link to a page runs its script directly, past app.py, because a folder is called pages/.
    Naming the pages once to Streamlit ends that for good; then the visit starts anew, through app.py.
    """
    if ROUTED not in st.session_state:
        st.session_state[ROUTED] = True
        st.navigation(pages())
        st.rerun()
    state.load(*own)
