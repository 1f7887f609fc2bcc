"""What gets remembered?"""

import streamlit as st

from sleepcon.ui import shell

shell.begin()
st.title("What gets remembered?", anchor=False)
