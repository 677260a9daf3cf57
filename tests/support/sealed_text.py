"""What a sealed text looks like, for tests of what is legible: by chance its letters spell any short word."""

import re

SEALED_TEXT = re.compile(r"v1\.[\w-]+\.[\w-]+=*")  # a key's name, then base64url: no space, no quote, no address
