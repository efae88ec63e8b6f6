"""Structured logs: one JSON object a line, dotted event names, ids and figures, never personal data, cookies or bodies."""

import logging
import sys

import structlog

Log = structlog.stdlib.BoundLogger


def set_up_logging(*, level: str = "INFO", pretty: bool = False) -> None:
    """Sends structlog and the standard library's loggers to stderr in one form."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    root.handlers = [output]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "asyncio", "aiosmtplib", "stripe"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def logger(name: str) -> Log:
    """Return the logger of a module; call it as `logger(__name__)`."""
    bound: Log = structlog.stdlib.get_logger(name)
    return bound
