"""Technical specifications"""

import streamlit as st

from sleepcon.ui import shell

shell.begin()
st.title("Technical specifications", anchor=False)
