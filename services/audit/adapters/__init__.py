"""Ciphers and signatures."""
