"""What every operator page needs around its content."""

from typing import Any

from app.web.actors import Actor

SECTIONS = (
    ("/operator", "Offers"),
    ("/operator/duties", "Duties"),
    ("/operator/statements", "Statements"),
    ("/operator/fleet", "Fleet"),
    ("/operator/drivers", "Drivers"),
)


def frame_of(actor: Actor, current: str) -> dict[str, Any]:
    """The navigation, with the current section marked; somebody who came by a mail link alone has none."""
    nav = [{"href": path, "text": text, "current": path == current} for path, text in SECTIONS] if actor.operator_ids else []
    return {"actor": actor, "nav": nav}
