"""The frozen problem"""

import streamlit as st

from sleepcon.ui import shell

shell.begin()
st.title("The frozen problem", anchor=False)
