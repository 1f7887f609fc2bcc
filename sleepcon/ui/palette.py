"""Colours that people with any colour vision can tell apart (Okabe and Ito 2008), and the icons that go with them.

Never colour alone: each meaning has an icon and a word too. Chart colours have a contrast of 3 or more against both the
light and the dark background.
"""

BLUE = "#2f7fc1"
GREY = "#7f8590"

CONSOLIDATE = (":material/check_circle:", "consolidate")
SKIP = (":material/do_not_disturb_on:", "skip")
KEPT = (":material/bookmark_added:", "kept")
ROLLED_BACK = (":material/undo:", "rolled back")
