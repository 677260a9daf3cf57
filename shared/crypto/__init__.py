"""Key rings, sealed fields, keyed digests, data keys. The one cipher, the one digest, the one comparer."""
