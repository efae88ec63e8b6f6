"""What machines read without asking for leave: structured data, site map, oEmbed, the API's description."""
