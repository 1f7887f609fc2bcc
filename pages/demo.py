"""Live demo"""

import streamlit as st

from sleepcon.ui import shell

shell.begin()
st.title("Live demo", anchor=False)
