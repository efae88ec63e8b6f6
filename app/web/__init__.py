"""Litestar glue: problem details, actors, forms, templates, static files, live news. Knows core, nothing of the domain."""
