"""The web app: ``streamlit run app.py``. It builds the navigation and runs the chosen page, nothing else."""

from sleepcon.ui import shell

shell.run()
