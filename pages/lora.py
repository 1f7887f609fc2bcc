"""Gentle learning: LoRA"""

import streamlit as st

from sleepcon.ui import shell

shell.begin()
st.title("Gentle learning: LoRA", anchor=False)
