"""Open research questions"""

import streamlit as st

from sleepcon.ui import shell

shell.begin()
st.title("Open research questions", anchor=False)
