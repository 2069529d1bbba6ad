# SPDX-License-Identifier: GPL-2.0-only
"""The access keys of a configuration file: from `[[keys]]` tables to valid keys.

Promises: one line for each thing that is wrong, which names the table by its number and never shows a secret
or an id that may be one; each secret comes from exactly one place: the table, a file, or a variable of the
environment. Nothing but those files is read, and no key is half made.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import ValidationError

from dgproxy.settings import AccessKeySettings

__all__ = ["Keys", "has_secrets", "read_keys"]

#: Where a secret may come from.
_IN_FILE: Final = "secret_access_key_file"
_IN_ENVIRONMENT: Final = "secret_access_key_variable"
_SECRETS: Final = ("secret_access_key", _IN_FILE, _IN_ENVIRONMENT)
_SAID: Final = ("secret_access_key", "aws_secret_access_key", "aws_session_token")
_KNOWN: Final = frozenset(AccessKeySettings.model_fields) | set(_SECRETS)
_NEVER_SHOWN: Final = frozenset({"access_key_id", *_SECRETS})


class Keys(NamedTuple):
    """The keys, and a line for each problem; with any of those the keys are not all there."""

    keys: tuple[AccessKeySettings, ...]
    problems: list[str]


def read_keys(tables: object, place: str, environment: Mapping[str, str]) -> Keys:
    """Read what a file says of `keys`; `place` is the file, as in "in settings.toml"."""
    if not isinstance(tables, list) or not tables or not all(isinstance(each, dict) for each in tables):
        return Keys((), [f"keys ({place}): must be tables, each with the heading [[keys]]"])
    keys: list[AccessKeySettings] = []
    problems: list[str] = []
    for number, table in enumerate(tables, 1):
        try:
            key = AccessKeySettings.model_validate(_with_secret(table, environment))
        except _Wrong as error:
            problems += [f"keys, table {number} ({place}): {line}" for line in error.lines]
        except ValidationError as error:
            problems += [f"keys, table {number} ({place}): {line}" for line in _lines(error, table)]
        else:
            if any(key.access_key_id == other.access_key_id for other in keys):
                problems.append(f"keys, table {number} ({place}): access_key_id is in another table as well")
            keys.append(key)
    return Keys(tuple(keys), problems)


def has_secrets(content: Mapping[str, object]) -> bool:
    """Whether a configuration file says a secret itself, and not where it is."""
    tables = content.get("keys")
    places = (
        [content, *(each for each in tables if isinstance(each, dict))]
        if isinstance(tables, list)
        else [content]
    )
    return any(name in place for place in places for name in _SAID)


class _Wrong(ValueError):
    """A table can't be a key, for one reason or several."""

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines


def _with_secret(table: Mapping[str, object], environment: Mapping[str, str]) -> dict[str, object]:
    """The table with its secret in place. Raises _Wrong."""
    unknown = sorted(set(table) - _KNOWN)
    if unknown:
        raise _Wrong(*(f"there is no {name!r} in a table of keys" for name in unknown))
    named = [name for name in _SECRETS if name in table]
    if len(named) != 1:
        raise _Wrong(f"exactly one of {', '.join(_SECRETS)} is needed")
    value = table[named[0]]
    if named != ["secret_access_key"]:
        if not isinstance(value, str) or not value:
            raise _Wrong(f"{named[0]} must be text")
        value = _from_file(value) if named == [_IN_FILE] else _from_environment(value, environment)
    return {name: each for name, each in table.items() if name not in _SECRETS} | {"secret_access_key": value}


def _from_file(path: str) -> str:
    """Read a secret alone on its line, as secret stores of containers put it into files."""
    try:
        return Path(path).expanduser().read_text(encoding="ascii").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise _Wrong(f"{_IN_FILE}: its content is not ASCII") from error
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "there is no such path"
        raise _Wrong(f"{_IN_FILE}: can't be read: {reason}") from error


def _from_environment(variable: str, environment: Mapping[str, str]) -> str:
    if not environment.get(variable):
        raise _Wrong(f"{_IN_ENVIRONMENT}: the environment has no variable of that name, or an empty one")
    return environment[variable]


def _lines(error: ValidationError, table: Mapping[str, object]) -> Iterator[str]:
    """One line for each value that can't be."""
    for detail in error.errors(include_url=False):
        name = str(detail["loc"][0])
        why = str(detail.get("ctx", {}).get("error", detail["msg"]))
        shown = "" if name in _NEVER_SHOWN or name not in table else f" = {repr(table[name])[:80]}"
        yield f"{name}{shown}: {why[:1].lower()}{why[1:]}"
