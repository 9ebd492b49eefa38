"""A clip's uid as the name of a tar member, and back."""

from __future__ import annotations

from urllib.parse import quote, unquote

LONGEST = 200  # bytes of a file name's part; file systems allow 255


def member_name(uid: str, suffix: str) -> str:
    """Return a name that is safe on any file system and that WebDataset takes for one key.

    Everything but letters, digits, ``_``, ``-`` and ``~`` of ASCII is percent-encoded: WebDataset ends a key at its
    first dot, and a slash or a parent folder has no business in a tar. Long names go on in folders.

    Args:
        uid: The clip's uid, not empty.
        suffix: What the member is, such as ``.npy``.

    Raises:
        ValueError: If the uid is empty.
    """
    if not uid:
        raise ValueError("a clip has an empty uid: give it a name")
    quoted = quote(uid, safe="").replace(".", "%2E")
    return "/".join(quoted[place : place + LONGEST] for place in range(0, len(quoted), LONGEST)) + suffix


def uid_of(name: str) -> str:
    """Return the uid that ``member_name`` made a name of."""
    return unquote(name.partition(".")[0].replace("/", ""))
