"""Files and folders that are written whole or not at all, what killed processes left of them, and errors of disks."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_PART = re.compile(r"\..+\.(?:(?P<host>[0-9a-f]{8})-)?(?P<process>\d+)\.part")  # older versions named no host
_WORK_FOLDER = ".stylegan_tf-"
_ABANDONED_S = 24 * 3600.0  # without a change: then a part of a process that cannot be asked is a rest

_ADVICE = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there, or get a larger quota,",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), or choose another disk,",
    errno.EIO: "check the disk, or choose another one,",
}
# NumPy's own words for a file that took less than it was given; it keeps no number.
_CUT_SHORT = re.compile(r"\d+ requested and \d+ written")

_cleaned: set[str] = set()
_in_work: set[Path] = set()  # parts that this process writes just now


class DiskError(OSError):
    """A disk that took no more, with its errno, advice, and the place."""


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path with ~ written out, which shells leave in `--flag=~/path`; as it is where no such home is known."""
    return Path(os.path.expanduser(path))


def is_new_or_empty(path: Path) -> bool:
    """Whether nothing is at `path`, or a directory without entries."""
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))


def check_writable(folder: Path) -> None:
    """Raises OSError when nothing can be written into a folder: to be asked before the work that would be lost."""
    with tempfile.TemporaryFile(dir=folder):
        pass


def check_room(folder: Path, needed: int) -> None:
    """Raises DiskError when fewer bytes than are needed are free: before the work, as `check_writable`."""
    if shutil.disk_usage(folder).free < needed:
        raise disk_error(errno.ENOSPC, folder)


@contextlib.contextmanager
def disk_errors(place: str | os.PathLike[str]) -> Iterator[None]:
    """Turns errors of the disk in a block, also those of TensorFlow and other libraries, into DiskError.

    Of blocks in each other, the inner one names the place.
    """
    try:
        yield
    except DiskError:
        raise
    except Exception as error:
        number = disk_errno(error)
        if number is None:
            raise
        raise disk_error(number, place) from error


def disk_error(number: int, place: str | os.PathLike[str]) -> DiskError:
    """The error of a disk that took no more, in words that help.

    Args:
        number: One that `disk_errno` gives.
        place: What was to be written.
    """
    advice = f"{os.strerror(number)}. What was there before stays; {_ADVICE[number]} and run the same command again"
    return DiskError(number, advice, os.fspath(place))


def disk_errno(error: BaseException | None) -> int | None:
    """Why a disk took no more: the errno of an error, or of one that it came from; None for other errors."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        number = error.errno if isinstance(error, OSError) else None
        if number is None and (isinstance(error, OSError | RuntimeError) or _is_tensorflows(error)):
            number = disk_errno_of_text(str(error))
        if number in _ADVICE:
            return number
        error = error.__cause__ or error.__context__
    return None


def disk_errno_of_text(text: str) -> int | None:
    """The errno of a disk that took no more, in whose words a library or another process reports it, or None."""
    if _CUT_SHORT.search(text):
        return errno.ENOSPC
    return next((number for number in _ADVICE if os.strerror(number) in text), None)


def _is_tensorflows(error: BaseException) -> bool:
    return type(error).__module__.startswith("tensorflow.")  # which is not imported here, and need not have been


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a path beside `path` to write to, which takes its place when the block ends without an error.

    Raises:
        DiskError: When the disk took no more.
    """
    with written_together([path]) as (beside,):
        yield beside


@contextlib.contextmanager
def written_together(paths: Sequence[str | os.PathLike[str]]) -> Iterator[list[Path]]:
    """Like `written_whole`, of files that belong together: none takes its place before all are written.

    The first comes last: it may be the one that names the others.
    """
    targets = [Path(path) for path in paths]
    for folder in dict.fromkeys(target.parent for target in targets):
        folder.mkdir(parents=True, exist_ok=True)
        if str(folder.absolute()) not in _cleaned:  # once in a command: a folder may have very many files
            _cleaned.add(str(folder.absolute()))
            remove_rests(folder)
    parts = [_beside(target) for target in targets]
    _in_work.update(parts)
    try:
        with disk_errors(targets[0]):
            yield parts
            for part, target in reversed(list(zip(parts, targets, strict=True))):
                os.replace(part, target)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
        _in_work.difference_update(parts)


def text_or_empty(path: str | os.PathLike[str]) -> str:
    """What a file of the system says; "" where it is missing or cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text file, whole or not at all."""
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def written_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a new folder beside `path`, which takes its place when the block ends without an error, or disappears.

    Folders on the way that had to be made disappear with it.

    Raises:
        DiskError: When the disk took no more.
        OSError: When something other than an empty folder is at `path`.
    """
    target = Path(path)
    made = [folder for folder in (target.parent, *target.parent.parents) if not folder.exists()]
    beside = _beside(target)
    try:
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            remove_rests(target.parent)
            _in_work.add(beside)
            beside.mkdir()
            yield beside
            beside.replace(target)
    except DiskError as error:
        if error.errno is None or not Path(error.filename).is_relative_to(beside):
            raise
        raise disk_error(error.errno, target) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        _in_work.discard(beside)
        for folder in made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


@contextlib.contextmanager
def work_folder() -> Iterator[Path]:
    """Gives an empty folder in the system's temporary one, for what nobody needs after the block.

    Raises:
        DiskError: When the disk took no more.
    """
    parent = Path(tempfile.gettempdir())
    remove_rests(parent, _WORK_FOLDER)
    with disk_errors(parent):
        folder = Path(tempfile.mkdtemp(_own_ending(), _WORK_FOLDER, parent))
        _in_work.add(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _in_work.discard(folder)


@contextlib.contextmanager
def without_patterns(folder: Path) -> Iterator[Path]:
    """Gives a path to a folder that TensorFlow reads as it is: where it has [ ] * ? or a backslash, through a link.

    TensorFlow, and its restoring operation too, look for files by patterns and find none under such a path.
    """
    if not set(str(folder.absolute())) & set("[]*?\\"):
        yield folder
        return
    with work_folder() as links:
        link = links / "link"
        link.symlink_to(folder.absolute(), target_is_directory=True)
        yield link


def remove_rests(folder: Path, prefix: str = ".") -> None:
    """Removes from a folder what processes that were killed left half-written, as far as that is allowed.

    Parts of processes that live stay; so do those of other machines and containers, and of this one before it was
    started again, unless nothing changed in them for a day.

    Args:
        folder: Where; folders in it are not looked into.
        prefix: How the names begin.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _PART.fullmatch(entry.name) if entry.name.startswith(prefix) else None
            if match is None or not _is_rest(Path(entry.path), match["host"], int(match["process"])):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


def begin_command() -> None:
    """Lets the next files that are written look again for what killed processes left beside them."""
    _cleaned.clear()


def _beside(target: Path) -> Path:
    return target.absolute().with_name(f".{target.name}{_own_ending()}")


def _own_ending() -> str:
    return f".{_host()}-{os.getpid()}.part"


@functools.cache
def _host() -> str:
    """Eight digits for this machine, or container: a process has its number in one only, until that is started again.

    A container may have the name of its machine and yet processes of its own, and machines may share a name.
    """
    parts = [platform.node()]
    with contextlib.suppress(OSError):  # both are Linux's
        parts.append(os.readlink("/proc/self/ns/pid"))
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:8]


def _is_rest(part: Path, host: str | None, process: int) -> bool:
    if host == _host() and process == os.getpid():  # or of an earlier process with the same number
        return part.absolute() not in _in_work
    if host in (None, _host()) and os.name == "posix" and not _lives(process):
        return True
    return time.time() - _changed_at(part) > _ABANDONED_S


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user
        return True
    return True


def _changed_at(part: Path) -> float:
    """When anything in a file or folder last changed; in the far future for what is gone meanwhile."""
    newest = 0.0
    try:
        newest = part.lstat().st_mtime
        for folder, _, names in os.walk(part):
            newest = max([newest, *(os.lstat(os.path.join(folder, name)).st_mtime for name in [".", *names])])
    except FileNotFoundError:
        return float("inf")
    return newest
