"""Somebody else's web site: an event's own page, on another site, with our widget in it. `python -m app.stage.partner_site`."""
