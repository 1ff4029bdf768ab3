"""Calls of huggingface_hub, whose errors become one line of ours."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stylegan_tf.errors import UserError
from stylegan_tf.files import disk_errno
from stylegan_tf.hub.address import HubAddress
from stylegan_tf.invocation import install

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_LOG_IN = "log in with `hf auth login`, or set HF_TOKEN to a token"
_LONGEST_REASON = 200


def require_hub() -> None:
    """Raises ImportError, which says how to install it, without the extra `hub`."""
    try:
        import huggingface_hub  # noqa: F401
        import safetensors  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "networks on a hub need huggingface_hub and safetensors, which are not both installed. "
            f"Install them with: {install('hub')}"
        ) from error


@contextlib.contextmanager
def connected(address: HubAddress, done: str) -> Iterator[HfApi]:
    """Gives the client; what goes wrong in the block is told in one line.

    Args:
        address: What it is about.
        done: What is done with it: "read" or "written".

    Raises:
        ImportError: Without the extra `hub`.
        UserError: When the hub refuses, cannot be reached, or answers nonsense.
        OSError: When files cannot be read or written.
    """
    require_hub()
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError, RevisionResolutionError

    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it tells of every attempt; what counts is raised
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield HfApi(library_name="stylegan-tf")
    except UserError:
        raise
    except (HTTPError, OSError, ValueError, RuntimeError, RevisionResolutionError) as error:
        if disk_errno(error) is not None or (isinstance(error, OSError) and error.filename):
            raise
        raise UserError(f"{address} could not be {done}: {_reason(error, address)}.") from error
    finally:
        logger.setLevel(level)


def is_unreachable(error: BaseException) -> bool:
    """Whether no hub answered, or one that is out of order: what is in the cache may serve instead."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code >= 500
    return isinstance(error, (HTTPError, OfflineModeIsEnabled))


def _reason(error: BaseException, address: HubAddress) -> str:
    """Why something failed, and what to do."""
    from huggingface_hub import errors

    if isinstance(error, RuntimeError) and error.__cause__ is not None:  # of an upload
        return _reason(error.__cause__, address)
    if isinstance(error, errors.GatedRepoError):
        return f"its owner has to let you in; ask on its page, and {_LOG_IN}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"there is no repository {address.repository}, or none that you may see; if it is private, {_LOG_IN}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"it has no branch, tag or commit {address.revision or 'main'}"
    if isinstance(error, errors.LocalTokenNotFoundError):
        return f"there is no token; {_LOG_IN} that may write"
    if isinstance(error, errors.HfHubHTTPError):
        return _answer(error)
    if isinstance(error, (errors.LocalEntryNotFoundError, errors.RevisionResolutionError)):
        cause = error.__cause__ or error
        if isinstance(cause, errors.HfHubHTTPError):
            return f"{_answer(cause)}, and it is not whole in the cache"
        if isinstance(cause, errors.FileMetadataError):
            return f"huggingface_hub says: {_shortened(cause)}"
        return f"{_why_unreachable(cause)}, and it is not whole in the cache"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return _why_unreachable(error)
    if isinstance(error, errors.HTTPError):
        return f"the connection to the hub failed ({_shortened(error)}); try again"
    if "Consistency check failed" in str(error):
        return "the download was cut short; try again"
    return f"huggingface_hub says: {_shortened(error)}"


def _answer(error: BaseException) -> str:
    """What an answer with a status of an error means."""
    status = error.response.status_code  # type: ignore[attr-defined]
    if status == 401:
        return f"the hub refused the token; {_LOG_IN} that is valid"
    if status == 403:
        return f"the token does not allow that; {_LOG_IN} that may write to this repository"
    return f"the hub answered HTTP {status} ({_shortened(error)})"


def _why_unreachable(error: BaseException) -> str:
    from huggingface_hub.errors import OfflineModeIsEnabled

    offline = isinstance(error, OfflineModeIsEnabled)
    return "offline mode is on (HF_HUB_OFFLINE)" if offline else "the hub could not be reached"


def _shortened(error: BaseException) -> str:
    text = " ".join((str(error) or type(error).__name__).split()).rstrip(".")
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."
