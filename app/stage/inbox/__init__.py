"""The stage's mail server and its reader: every mail the service sends, whoever it is for. Its own process: `python -m app.stage.inbox`."""
