"""Whoever asked something of a pledge may have given it away while they waited for its lock: then it is not theirs to change any more."""

from app.core.errors import Gone
from app.domain.pledges.model import Pledge


def check_holder(seen: Pledge, locked: Pledge) -> None:
    """Raises Gone `pledge_passed_on` when the pledge, as locked, belongs to somebody else than when its owner asked."""
    if seen.email.lower() != locked.email.lower():
        raise Gone(
            "These seats have just been accepted by the person they were offered to; their link opens them now.", code="pledge_passed_on"
        )
