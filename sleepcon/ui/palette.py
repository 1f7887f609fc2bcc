"""Colours that people with any colour vision can tell apart (Okabe and Ito 2008), and the icons that go with them.

Never colour alone: each meaning has an icon and a word too. Chart colours have a contrast of 3 or more against both the
light and the dark background.
"""

BLUE = "#2f7fc1"
GREY = "#7f8590"
DEEP_BLUE = "#22649f"
"""A ground for white text (contrast 6.2); as a line it is too dark for the dark theme."""
ORANGE = "#c8641b"
GREEN = "#0b8f6a"
PINK = "#b8618f"

CONSOLIDATE = (":material/check_circle:", "consolidate")
SKIP = (":material/do_not_disturb_on:", "skip")
KEPT = (":material/bookmark_added:", "kept")
ROLLED_BACK = (":material/undo:", "rolled back")
