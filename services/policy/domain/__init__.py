"""What policy decides, and nothing else: frozen facts in, values out."""
