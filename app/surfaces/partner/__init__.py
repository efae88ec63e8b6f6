"""What partners touch: keys, the widget, webhooks."""
