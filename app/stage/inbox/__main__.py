"""`python -m app.stage.inbox --port N --smtp-port N --folder DIR`: receive on one port, show on the other, until told to stop."""

import argparse
import asyncio
import logging
from pathlib import Path

import uvicorn

from app.stage.inbox.mailbox import Mailbox
from app.stage.inbox.pages import build_inbox
from app.stage.inbox.receiving import receive_mail

_HOST = "127.0.0.1"


async def serve(port: int, smtp_port: int, folder: Path) -> None:
    """Run both sides over one mailbox."""
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd tells every command, addresses included
    mailbox = Mailbox(folder)
    receiving = await receive_mail(mailbox, host=_HOST, port=smtp_port)
    config = uvicorn.Config(build_inbox(mailbox), host=_HOST, port=port, log_level="warning", timeout_graceful_shutdown=2)
    async with receiving:
        await uvicorn.Server(config).serve()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m app.stage.inbox", description="A mail server that keeps every mail and shows it.")
    parser.add_argument("--port", type=int, required=True, help="where the web page listens")
    parser.add_argument("--smtp-port", type=int, required=True, help="where mail is received")
    parser.add_argument("--folder", type=Path, required=True, help="where mails are kept")
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.smtp_port, given.folder))


if __name__ == "__main__":
    main()
