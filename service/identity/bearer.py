"""What a credential looks like: `cst_` (token) or `csk_` (API key) and 256 random bits in base64url.

The prefix tells people and secret scanners what they have found, and lets look-ups go to one table. The
secret itself is shown once and never kept: SHA-256 of the whole text, prefix included, stands for it in the
database and in memory. A plain hash is right here, other than for passwords: nobody guesses 256 bits.
"""

import base64
import re
from enum import StrEnum
from hashlib import sha256
from typing import Final

from service.identity.sources import RandomBytes


class CredentialKind(StrEnum):
    TOKEN = "token"
    API_KEY = "api_key"


DISPLAYED_LENGTH: Final = 12
"""How much of an API key is shown in lists: its prefix and 48 of the 256 bits, which helps nobody to guess it."""

_PREFIXES: Final = {CredentialKind.TOKEN: "cst_", CredentialKind.API_KEY: "csk_"}
_SECRET: Final = re.compile(r"cs[tk]_[A-Za-z0-9_-]{43}", re.ASCII)


def new_secret(kind: CredentialKind, random_bytes: RandomBytes) -> str:
    return _PREFIXES[kind] + base64.urlsafe_b64encode(random_bytes(32)).decode().rstrip("=")


def digest_of(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def secret_in(authorization: str) -> str | None:
    """The credential in the value of an Authorization header (RFC 6750), if it can be one of ours at all."""
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return None
    secret = secret.strip(" ")
    return secret if _SECRET.fullmatch(secret) else None


def kind_of(secret: str) -> CredentialKind:
    """Of a well-formed secret."""
    return CredentialKind.TOKEN if secret.startswith("cst_") else CredentialKind.API_KEY
