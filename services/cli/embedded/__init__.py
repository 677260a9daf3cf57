"""Servers that Deskfactor brings up by itself, private to the process that started them."""
