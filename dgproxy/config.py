# SPDX-License-Identifier: GPL-2.0-only
"""Where settings are said: the command line, the environment, a file; and what is wrong with what was said.

Promises: `load` returns settings, or raises ConfigError with every problem it found, one line each, naming
the setting, the value (never a secret) and where it stands. Each source is checked by itself, so a bad value
is reported even where a better source overrides it. Nothing is guessed: an unknown key, an empty value or a
file that can't be read stops the start.

Which settings there are is said in `settings`; acting on one (binding, opening) is for whoever reads it.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import ValidationError

from dgproxy.config_keys import has_secrets, read_keys
from dgproxy.settings import Settings, ui_directory

__all__ = ["PREFIX", "ConfigError", "Configuration", "Settings", "StartError", "load", "ui_directory"]

PREFIX: Final = "DELTAGLIDER_PROXY_"
_CONFIG_VARIABLE: Final = f"{PREFIX}CONFIG"
_USUAL_FILES: Final = (Path("deltaglider_proxy.toml"), Path("/etc/deltaglider_proxy/config.toml"))

#: Belong to the S3 backend and are named as every AWS tool names them.
_AWS: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_S3: Final = (
    "s3_region",
    "s3_force_path_style",
    "s3_bucket_prefix",
    "s3_only_writer",
    "s3_manifest_ttl",
    *_AWS,
)
#: Never shown in a message, right or wrong: whoever mixes the two up would publish the secret.
_CREDENTIALS: Final = ("access_key_id", "secret_access_key", "keys", *_AWS)

#: Settings that make sense together only, and what is to be done about one alone.
_PAIRS: Final = {
    (
        "access_key_id",
        "secret_access_key",
    ): "set both to have every request signed, or none for an open server",
    ("tls_cert", "tls_key"): "set both to serve https, or none for http",
}

_EMPTY: Final = "is empty; leave it out, or give it a value"


class ConfigError(Exception):
    """What was configured can't be used; `problems` has one line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StartError(Exception):
    """The settings are in order, but the server can't start with them here and now; the text is one line."""


class Configuration(NamedTuple):
    """The settings, and the file that some of them come from; `secret` when secrets stand in it."""

    settings: Settings
    file: Path | None
    secret: bool = False


@dataclass(frozen=True, slots=True)
class _Source:
    """Settings said in one place. `variables` has the environment variable of each, if they are that."""

    place: str
    said: Mapping[str, object]
    variables: Mapping[str, str] | None = None
    #: Whether who reads it knows a secret.
    secret: bool = False

    def where(self, name: str) -> str:
        return self.place if self.variables is None else f"{self.place} {self.variables[name]}"


def load(
    options: Mapping[str, object] | None = None,
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Configuration:
    """Read every source; the command line comes before the environment, the file, and the defaults.

    `options` are settings from the command line, by name; `file` is its `--config`. Raises ConfigError.
    """
    environment = os.environ if environment is None else environment
    problems: list[str] = []
    path, from_file = _read_file(file, environment, problems)
    sources = [
        from_file,
        _read_environment(environment, problems),
        _Source("the command line", options or {}),
    ]
    for source in sources:
        problems += _wrong_values(source)
    said = {name: value for source in sources for name, value in source.said.items()}
    origin = {name: source.where(name) for source in sources for name in source.said}
    problems += _half_a_pair(origin)
    problems += _without_a_store(origin, environment)
    problems += _one_id_twice(said, origin)
    if problems:
        raise ConfigError(problems)
    return Configuration(Settings.model_validate(said), path, from_file.secret)


# -- sources -----------------------------------------------------------------------------------------------


def _read_file(
    chosen: Path | None, environment: Mapping[str, str], problems: list[str]
) -> tuple[Path | None, _Source]:
    """Read the file the operator named, or the first usual one there is."""
    why = "named by --config"
    if chosen is None and environment.get(_CONFIG_VARIABLE):
        chosen, why = Path(environment[_CONFIG_VARIABLE]), f"named by {_CONFIG_VARIABLE}"
    for path in _USUAL_FILES if chosen is None else (chosen,):
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            if chosen is not None:
                problems.append(f"{_shown(path)} ({why}): there is no such file")
            continue
        except OSError as error:
            problems.append(f"{_shown(path)}: can't be read: {error.strerror}")
        except UnicodeDecodeError as error:
            problems.append(f"{_shown(path)}: is not UTF-8: byte {error.start} can't be decoded")
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            problems.append(f"{_shown(path)}: is not valid TOML: {' '.join(str(error).split())}")
        else:
            return path, _known(content, _shown(path), environment, problems)
        return path, _Source(_shown(path), {})
    return None, _Source("no file", {})


def _known(
    content: Mapping[str, object], path: str, environment: Mapping[str, str], problems: list[str]
) -> _Source:
    known = Settings.model_fields
    secret = has_secrets(content)
    if "keys" in content:
        keys, wrong = read_keys(content["keys"], f"in {path}", environment)
        content = {**content, "keys": keys}
        problems += wrong
    problems += [
        f"{_shown(name)} (in {path}): {_unknown(name, known)}" for name in content if name not in known
    ]
    said = {name: value for name, value in content.items() if name in known}
    return _Source(f"in {path}", said, secret=secret)


def _read_environment(environment: Mapping[str, str], problems: list[str]) -> _Source:
    names = {_variable(name): name for name in Settings.model_fields}
    for variable in sorted(environment):
        if variable == _CONFIG_VARIABLE and not environment[variable]:
            problems.append(f"environment variable {variable}: {_EMPTY}")
        elif variable.startswith(PREFIX) and variable not in names and variable != _CONFIG_VARIABLE:
            problems.append(
                f"environment variable {variable}: {_unknown(variable, [*names, _CONFIG_VARIABLE])}"
            )
    said = {name: environment[variable] for variable, name in names.items() if variable in environment}
    return _Source("environment variable", said, {name: variable for variable, name in names.items()})


def _variable(name: str) -> str:
    return name.upper() if name in _AWS else PREFIX + name.upper()


# -- problems ----------------------------------------------------------------------------------------------


def _wrong_values(source: _Source) -> Iterator[str]:
    refused = {name: why for name, value in source.said.items() if (why := _refusal(source, name, value))}
    try:
        Settings.model_validate({name: source.said[name] for name in source.said.keys() - refused.keys()})
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            why = str(detail.get("ctx", {}).get("error", detail["msg"]))
            refused[str(detail["loc"][0])] = why[:1].lower() + why[1:]
    for name in sorted(refused):
        setting = name if name in _CREDENTIALS else f"{name} = {_shown(source.said[name])}"
        yield f"{setting} ({source.where(name)}): {refused[name]}"


def _refusal(source: _Source, name: str, value: object) -> str | None:
    """Say what is wrong with a value of any setting in this place, before its own rules are asked."""
    if name in _AWS and source.variables is not None:
        return None  # there for every AWS tool, and used with an object store only
    if name == "keys" and source.variables is not None:
        return "access keys stand in the configuration file, as tables with the heading [[keys]]"
    if value == "":
        return _EMPTY
    if isinstance(value, str) and "${" in value:
        return "variables are not replaced here; write the value itself"
    return None


def _half_a_pair(origin: Mapping[str, str]) -> Iterator[str]:
    """Refuse one setting of a pair without the other; `origin` has the place of each that was said."""
    for pair, advice in _PAIRS.items():
        for given, missing in (pair, pair[::-1]):
            if given in origin and missing not in origin:
                yield f"{given} ({origin[given]}) is set, but {missing} is not; {advice}"


def _without_a_store(origin: Mapping[str, str], environment: Mapping[str, str]) -> Iterator[str]:
    """Refuse what is about an object store where none is configured; AWS's own variables are everywhere."""
    for name in _S3:
        of_all_tools = name in _AWS and name.upper() in environment
        if name in origin and "s3_endpoint" not in origin and not of_all_tools:
            yield f"{name} ({origin[name]}) is set, but s3_endpoint is not: no object store is used"


def _one_id_twice(said: Mapping[str, object], origin: Mapping[str, str]) -> Iterator[str]:
    """Refuse the pair's id in a table of keys: which of the two counts would be a guess."""
    keys = said.get("keys", ())
    if isinstance(keys, tuple) and any(key.access_key_id == said.get("access_key_id") for key in keys):
        yield f"access_key_id ({origin['access_key_id']}): keys has the same id; remove one of the two"


def _unknown(name: str, known: Iterable[str]) -> str:
    """Say so, and which one may have been meant. Never the value: it may be a misspelled secret's."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return "there is no such setting" + (f"; did you mean {close[0]}?" if close else "")


def _shown(value: object) -> str:
    """Put a value on one line, and a path as it is."""
    if isinstance(value, Path):
        return " ".join(str(value).split())
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
