"""Pictures that cannot be read: what may become of them, and how an error names them."""

from __future__ import annotations

from collections.abc import Sequence

from stylegan_tf.errors import UserError
from stylegan_tf.progress import counted

# "fail" names them in an error, "skip" leaves them out.
ON_ERROR = ("fail", "skip")

_NAMED = 3  # that an error names


def unreadable_error(pictures: Sequence[tuple[str, str]], count: int, all_listed: str, advice: str = "") -> UserError:
    """The error for pictures that could not be read.

    Args:
        pictures: Their names and why.
        count: Number of all pictures.
        all_listed: A sentence without its full stop that says where to find all of them.
        advice: What to do, instead of repairing or skipping them.
    """
    named = "; ".join(f"{name}: {why}" for name, why in pictures[:_NAMED])
    more = f"; and {len(pictures) - _NAMED:,} more" if len(pictures) > _NAMED else ""
    if not advice:
        advice = (
            "none is left"
            if len(pictures) == count
            else "repair or remove them and run the same command again, or leave them out with --on_error=skip"
        )
    return UserError(
        f"{len(pictures):,} of {counted(count, 'picture')} could not be read; {advice}. {all_listed}. "
        f"Received: {named}{more}."
    )
