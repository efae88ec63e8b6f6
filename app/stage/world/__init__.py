"""The demo world: real places, five events in every state a trip can be in, played through the service's own flows."""
