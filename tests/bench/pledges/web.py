"""`busload serve` with one route more: `POST /api/bench/empty`, which does nothing on the same stack. `python -m ... PORT`."""

import os
import sys

from litestar import post

from app.core.log import set_up_logging
from app.main import build_app, serve_app
from app.settings import read_settings


@post("/api/bench/empty", include_in_schema=False)
async def empty() -> None:
    """Nothing."""


def main() -> None:
    """Serves until told to stop."""
    settings = read_settings(os.environ)
    set_up_logging(level=settings.log_level)
    application = build_app(settings)
    application.register(empty)
    serve_app(application, host="127.0.0.1", port=int(sys.argv[1]))


if __name__ == "__main__":
    main()
