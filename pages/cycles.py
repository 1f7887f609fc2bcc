"""Sleep cycles"""

import streamlit as st

from sleepcon.ui import shell

shell.begin()
st.title("Sleep cycles", anchor=False)
