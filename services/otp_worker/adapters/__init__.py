"""Ciphers, digests, hashes and signatures of the verifier."""
