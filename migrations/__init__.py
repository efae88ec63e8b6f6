"""The schema's history, forward only: `sql/NNNN_name.sql`, one concern per file, run by the revision of that name in `versions/`.

Revision ids are the bare number: alembic keeps them in 32 characters.
"""
