"""A stateful stand-in for Stripe, spoken to over HTTP by the real SDK. Its own process; see docs/fake-stripe.md."""
