"""Names of Kubernetes objects, derived from the names that users give.

A given name that is a short DNS label is used unchanged; any other becomes a slug and a hash.
"""

import hashlib
import re

MAX_WORKFLOW_NAME = 50
MAX_LABEL_VALUE = 63
MAX_RUN_NAME = MAX_LABEL_VALUE
"""A run's name is also the value of a label."""
TASK_NAME_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$"
"""A task's name is also the value of a label."""

JOB_HASH_LENGTH = 12
SOURCE_HASH_LENGTH = 16
LIMIT_HASH_LENGTH = 12

_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_DNS_LABEL = re.compile(_LABEL)
_DNS_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_HASH_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
HASHED_LIMIT_NAME = f"^([a-z0-9-]+-)?[{_HASH_ALPHABET}]{{{LIMIT_HASH_LENGTH}}}$"
_LIMIT_NAME = re.compile(HASHED_LIMIT_NAME)
_SOURCE_NAME = re.compile(f"src-[{_HASH_ALPHABET}]{{{SOURCE_HASH_LENGTH}}}")


def short_hash(text: str, length: int = 8) -> str:
    """Return a hash of `text`: `length` lower-case letters and digits, without vowels."""
    size = len(_HASH_ALPHABET)
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()) % size**length
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, size)
        digits += _HASH_ALPHABET[digit]
    return digits


def slug(text: str, length: int) -> str:
    """Return `text` as the start of a DNS label of at most `length` characters; may be empty."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:length].strip("-")


def object_name(true_name: str, length: int = MAX_WORKFLOW_NAME) -> str:
    """Return the name of the Kubernetes object for `true_name`."""
    if len(true_name) <= length and _DNS_LABEL.fullmatch(true_name):
        return true_name
    start = slug(true_name, length - 9)
    return f"{start}-{short_hash(true_name)}" if start else f"x-{short_hash(true_name)}"


def job_name(run: str, run_uid: str, task: str, attempt: int) -> str:
    """Return the name of an attempt's Job, its TaskResult and its ConfigMap: at most 57 characters.

    Run and task make the name readable; the hash of the run's uid and the task makes it unique,
    also if a run of the same name was deleted a moment ago. The hash is long enough that nobody can
    find another task with the same one, whose pods could then report for this task.
    """
    readable = "-".join(part for part in (slug(run, 22), slug(task, 16)) if part)
    return f"{readable}-{short_hash(f'{run_uid}/{task}', JOB_HASH_LENGTH)}-{attempt}"


def durable_log_name(job: str) -> str:
    """Return the name of a durable task's log, of which pages are named with a dash and a number.

    Args:
        job: Name of the Job of any attempt of the task.
    """
    return f"{job.rpartition('-')[0]}-log"


def source_name(packed: bytes) -> str:
    """Return the name of the ConfigMap that ships a source tree, from a hash of its content."""
    return f"src-{short_hash(hashlib.sha256(packed).hexdigest(), SOURCE_HASH_LENGTH)}"


def is_source_name(name: str) -> bool:
    """Return whether this is the name of a ConfigMap that ships a source tree."""
    return _SOURCE_NAME.fullmatch(name) is not None


def rate_limit_name(key: str) -> str:
    """Return the name of the RateLimit of a key: every key has its own, also if inputs make it.

    A key that is a name is used unchanged, unless it looks like the name of another key.
    """
    if len(key) <= 63 and _DNS_SUBDOMAIN.fullmatch(key) and not _LIMIT_NAME.fullmatch(key):
        return key
    hashed = short_hash(key, LIMIT_HASH_LENGTH)
    return "-".join(part for part in (slug(key, 40), hashed) if part)


def new_run_name(workflow: str, suffix: str) -> str:
    """Return a run's name: the workflow's object name, shortened, and a unique suffix."""
    return f"{slug(workflow, MAX_RUN_NAME - 1 - len(suffix))}-{suffix}"
