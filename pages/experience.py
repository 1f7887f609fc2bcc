"""Experience deep dive"""

import streamlit as st

from sleepcon.ui import shell

shell.begin()
st.title("Experience deep dive", anchor=False)
