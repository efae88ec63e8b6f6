"""From frozen demand to accepted duties: snapshots, plans, duties, offers and who drives them."""
