"""Web4 trust"""

import streamlit as st

from sleepcon.ui import shell

shell.begin()
st.title("Web4 trust", anchor=False)
