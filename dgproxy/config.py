# SPDX-License-Identifier: GPL-2.0-only
"""What the server can be told: every setting, where it may be said, and what is wrong with what was said.

Promises: a `Settings` is complete, valid and never changes. `load` returns one, or raises ConfigError with
every problem it found, one line each, naming the setting, the value (never a secret) and where it stands.
Each source is checked by itself, so a bad value is reported even where a better source overrides it. Nothing
is guessed: an unknown key, an empty value or a file that can't be read stops the start.

Acting on a setting (binding, opening, logging) is for whoever reads it, not for this module.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from dgproxy import config_values as values

__all__ = ["PREFIX", "ConfigError", "Configuration", "Settings", "StartError", "load", "ui_directory"]

PREFIX: Final = "DELTAGLIDER_PROXY_"
_CONFIG_VARIABLE: Final = f"{PREFIX}CONFIG"
_USUAL_FILES: Final = (Path("deltaglider_proxy.toml"), Path("/etc/deltaglider_proxy/config.toml"))

#: Belong to the S3 backend and are named as every AWS tool names them.
_AWS: Final = ("aws_access_key_id", "aws_secret_access_key")
_S3: Final = ("s3_endpoint", "s3_region", "s3_force_path_style")
#: Never shown in a message, right or wrong: whoever mixes the two up would publish the secret.
_CREDENTIALS: Final = ("access_key_id", "secret_access_key", *_AWS)

_EMPTY: Final = "is empty; leave it out, or give it a value"

_Integer = Annotated[int, BeforeValidator(values.not_a_boolean)]


def _cores() -> int:
    """Count the cores this process may use; `taskset` and containers make that fewer than there are."""
    return len(os.sched_getaffinity(0))


class Settings(BaseModel):
    """Every setting, valid. Building one reads nothing but its arguments: `load` is what looks around."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    listen_addr: Annotated[values.ListenAddress, BeforeValidator(values.listen_address)] = (
        values.ListenAddress("127.0.0.1", 9000)
    )
    #: Created at start when it is not there.
    default_bucket: Annotated[str, BeforeValidator(values.bucket_name)] = "default"
    #: Both or none: with them every request must be signed, without them the server is open.
    access_key_id: Annotated[str, BeforeValidator(values.access_key)] | None = None
    secret_access_key: Annotated[SecretStr, BeforeValidator(values.secret)] | None = None
    #: A delta is kept when delta size / original size is smaller than this.
    max_delta_ratio: Annotated[float, BeforeValidator(values.not_a_boolean), Field(ge=0, le=1)] = 0.5
    #: Bytes; None leaves S3's own limits (5 GiB a PUT, 5 TiB an object).
    max_object_size: Annotated[int, BeforeValidator(values.size), Field(ge=1, le=5 << 40)] | None = None
    #: Keys with one of these endings (lower case) are stored as deltas where that pays; "*" is every key.
    delta_suffixes: Annotated[tuple[str, ...], BeforeValidator(values.suffixes)] = (
        ".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".jar", ".war", ".ear", ".rar", ".7z",
        ".dmg", ".iso", ".sql", ".dump", ".bak", ".backup",
    )  # fmt: skip
    #: MiB of idle reference indexes, all workers together.
    cache_size_mb: Annotated[_Integer, Field(ge=1)] = 100
    #: MiB of bodies in flight, all workers together.
    transfer_memory_mb: Annotated[_Integer, Field(ge=64)] = 512
    data_dir: Annotated[Path, BeforeValidator(values.directory)] = Path("data")
    #: Worker processes.
    workers: Annotated[_Integer, Field(ge=1, le=1024)] = Field(default_factory=_cores)
    #: strict: acknowledged means on disk; relaxed: the system writes it out in its own time.
    durability: Literal["strict", "relaxed"] = "strict"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    s3_endpoint: Annotated[str, Field(min_length=1)] | None = None
    s3_region: Annotated[str, Field(min_length=1)] | None = None
    s3_force_path_style: bool | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None

    @property
    def signed(self) -> bool:
        """Whether requests must be signed; otherwise the server is open to whoever reaches it."""
        return self.secret_access_key is not None


class ConfigError(Exception):
    """What was configured can't be used; `problems` has one line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StartError(Exception):
    """The settings are in order, but the server can't start with them here and now; the text is one line."""


class Configuration(NamedTuple):
    """The settings, and the file that some of them come from."""

    settings: Settings
    file: Path | None


@dataclass(frozen=True, slots=True)
class _Source:
    """Settings said in one place. `variables` has the environment variable of each, if they are that."""

    place: str
    said: Mapping[str, object]
    variables: Mapping[str, str] | None = None

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
    if problems:
        raise ConfigError(problems)
    return Configuration(Settings.model_validate(said), path)


def ui_directory() -> Path:
    """Where `make ui` puts the browser UI; it may not be there."""
    return Path(__file__).resolve().parent.parent / "ui-dist"


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
            return path, _known(content, _shown(path), problems)
        return path, _Source(_shown(path), {})
    return None, _Source("no file", {})


def _known(content: Mapping[str, object], path: str, problems: list[str]) -> _Source:
    known = Settings.model_fields
    problems += [
        f"{_shown(name)} (in {path}): {_unknown(name, known)}" for name in content if name not in known
    ]
    return _Source(f"in {path}", {name: value for name, value in content.items() if name in known})


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
        return None  # there for every AWS tool, and not used by this version
    if name in _S3 or name in _AWS:
        return "the S3 backend is not part of this version; remove the setting"
    if value == "":
        return _EMPTY
    if isinstance(value, str) and "${" in value:
        return "variables are not replaced here; write the value itself"
    return None


def _half_a_pair(origin: Mapping[str, str]) -> Iterator[str]:
    """Refuse one credential without the other; `origin` has the place of each setting that was said."""
    pair = ("access_key_id", "secret_access_key")
    for given, missing in (pair, pair[::-1]):
        if given in origin and missing not in origin:
            yield (
                f"{given} ({origin[given]}) is set, but {missing} is not; "
                "set both to have every request signed, or none for an open server"
            )


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
