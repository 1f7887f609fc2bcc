"""What the pages share, and the way to serve them. Nothing under here imports torch."""

import os
import sys
from pathlib import Path

from sleepcon.paths import PACKAGE, ROOT, home

APP = ROOT if (ROOT / "app.py").exists() else PACKAGE / "app"
"""The folder with app.py, pages/ and .streamlit/: the project's, or the copy that a wheel carries."""


def serve(host: str = "127.0.0.1", port: int = 8501, model: str | None = None, folder: str | Path | None = None) -> None:
    """Run the web app until it is stopped, with the project's own settings from whatever folder it is started.

    ``model``: the base that every visitor's brain stands on, else ``SLEEPCON_MODEL``, else the embedded one. ``folder``:
    the home folder (see ``paths.home``).
    """
    from streamlit.web import cli

    os.environ["SLEEPCON_HOME"] = str(home(folder).absolute())
    model = model or os.environ.get("SLEEPCON_MODEL") or "embedded"
    local = Path(model).expanduser()
    os.environ["SLEEPCON_MODEL"] = str(local.absolute()) if local.is_dir() else model
    os.chdir(APP)  # where Streamlit looks for .streamlit/config.toml
    sys.argv = ["streamlit", "run", str(APP / "app.py"), "--server.address", host, "--server.port", str(port)]
    cli.main(prog_name="streamlit")
