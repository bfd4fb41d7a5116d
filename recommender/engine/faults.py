"""What an engine raises, as one message to the user, without the secrets of its address."""

from __future__ import annotations

from recommender.errors import UserError


def explained(error: Exception, address: str) -> Exception:
    """What the engine raised, as a message to the user; a traceback of this package's own code stays a bug."""
    text = str(error)
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)[:300]
    if "No module named 'recommender" in text:
        return UserError(
            f"{address}: the engine's workers do not have this package. Install its wheel with the packages of "
            "requirements.lock on them (see docs/scale)."
        )
    if any(
        sign in text
        for sign in ("UNAVAILABLE", "failed to connect", "Connection reset", "Socket closed", "SESSION_CLOSED")
    ):
        return UserError(f"{address}: the connection to the engine is lost. Is the server still running? ({first})")
    if any(sign in text.upper() for sign in ("UNIMPLEMENTED", "NOT IMPLEMENTED", "NOT SUPPORTED", "UNSUPPORTED")):
        return UserError(f"{address}: the engine cannot run Python functions over Arrow batches (mapInArrow): {first}")
    if "recommender/" in text and "Traceback" in text:
        return RuntimeError(text)
    return UserError(f"{address}: the engine failed ({first}).")


def without_secrets(address: str) -> str:
    """The address without its parameters, among which tokens are."""
    return address.split(";")[0].rstrip("/")
