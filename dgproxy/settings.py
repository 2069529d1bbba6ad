# SPDX-License-Identifier: GPL-2.0-only
"""Every setting of the server, with its default and its limits.

Promises: a `Settings` is complete, valid and never changes; building one reads nothing but its arguments.
Where the values come from is the business of `config`, what their text looks like that of `config_values`.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from dgproxy import config_values as values
from dgproxy.s3.grants import Place

__all__ = ["AccessKeySettings", "Settings", "ui_directory"]

_Integer = Annotated[int, BeforeValidator(values.not_a_boolean)]


def _cores() -> int:
    """Count the cores this process may use; `taskset` and containers make that fewer than there are."""
    return len(os.sched_getaffinity(0))


class AccessKeySettings(BaseModel):
    """One of several access keys, valid."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    access_key_id: Annotated[str, BeforeValidator(values.access_key)]
    secret_access_key: Annotated[SecretStr, BeforeValidator(values.secret)]
    #: What the log calls it; "" is its id.
    name: Annotated[str, BeforeValidator(values.label)] = ""
    #: Where it may read and write; None is everywhere.
    allow: Annotated[tuple[Place, ...], BeforeValidator(values.places)] | None = None
    read_only: Annotated[bool, BeforeValidator(values.boolean)] = False


class Settings(BaseModel):
    """Every setting, valid."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    listen_addr: Annotated[values.ListenAddress, BeforeValidator(values.listen_address)] = (
        values.ListenAddress("127.0.0.1", 9000)
    )
    #: Created at start when it is not there.
    default_bucket: Annotated[str, BeforeValidator(values.bucket_name)] = "default"
    #: Both or none: a pair that may do everything. Without it and `keys` the server is open.
    access_key_id: Annotated[str, BeforeValidator(values.access_key)] | None = None
    secret_access_key: Annotated[SecretStr, BeforeValidator(values.secret)] | None = None
    #: Further access keys, each with its own limits; `config_keys` reads them.
    keys: tuple[AccessKeySettings, ...] = ()
    #: Whether presigned URLs and POST forms may be signed with Signature Version 2.
    signature_v2: Annotated[bool, BeforeValidator(values.boolean)] = True
    #: PEM files, both or none: with them both ports speak TLS.
    tls_cert: Annotated[Path, BeforeValidator(values.file)] | None = None
    tls_key: Annotated[Path, BeforeValidator(values.file)] | None = None
    #: Base of virtual-hosted style host names; path style always works.
    domain: Annotated[str, BeforeValidator(values.domain)] | None = None
    #: Pages that may call buckets without a CORS configuration: origins, each with at most one "*".
    cors_origins: Annotated[tuple[str, ...], BeforeValidator(values.origins)] = ()
    #: A delta is kept when delta size / original size is smaller than this.
    max_delta_ratio: Annotated[float, BeforeValidator(values.not_a_boolean), Field(ge=0, le=1)] = 0.5
    #: What new deltas are stored in; docs/DELTA_FILES.md has the forms.
    delta_form: Literal["residual", "default", "plain"] = "residual"
    #: Bytes; None leaves S3's own limits (5 GiB a PUT, 5 TiB an object).
    max_object_size: Annotated[int, BeforeValidator(values.size), Field(ge=1, le=5 << 40)] | None = None
    #: Keys with one of these endings (lower case) are stored as deltas where that pays; "*" is every key.
    delta_suffixes: Annotated[tuple[str, ...], BeforeValidator(values.suffixes)] = (
        ".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".jar", ".war", ".ear", ".rar", ".7z",
        ".dmg", ".iso", ".sql", ".dump", ".bak", ".backup",
    )  # fmt: skip
    #: Whether what is stored whole, references included, is compressed where that pays.
    compression: Annotated[bool, BeforeValidator(values.boolean)] = True
    #: References that a deltaspace offers to new objects at most.
    max_references: Annotated[_Integer, Field(ge=1, le=64)] = 4
    #: Whether what is stored is made smaller in the background, in which share of a core and which hours.
    optimizer: Annotated[bool, BeforeValidator(values.boolean)] = True
    optimizer_cpu: Annotated[float, BeforeValidator(values.not_a_boolean), Field(ge=0.01, le=1)] = 0.25
    optimizer_hours: Annotated[tuple[int, int], BeforeValidator(values.hours)] = (1, 5)
    #: MiB of idle reference indexes, all workers together.
    cache_size_mb: Annotated[_Integer, Field(ge=1)] = 100
    #: Where compressed references are unpacked; None is `cache` in the data directory.
    cache_dir: Annotated[Path, BeforeValidator(values.directory)] | None = None
    #: Bytes that are kept there.
    cache_dir_size: Annotated[int, BeforeValidator(values.size), Field(ge=1 << 20)] = 10 << 30
    #: MiB of bodies in flight, all workers together.
    transfer_memory_mb: Annotated[_Integer, Field(ge=64)] = 512
    #: Bytes a second that a body must come at on the average of a minute; 0 is any.
    min_upload_rate: Annotated[int, BeforeValidator(values.size), Field(ge=0)] = 1024
    data_dir: Annotated[Path, BeforeValidator(values.directory)] = Path("data")
    #: Worker processes.
    workers: Annotated[_Integer, Field(ge=1, le=1024)] = Field(default_factory=_cores)
    #: strict: acknowledged means on disk; relaxed: the system writes it out in its own time.
    durability: Literal["strict", "relaxed"] = "strict"
    #: A file for a line about every write and every denial.
    audit_log: Annotated[Path, BeforeValidator(values.file)] | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    #: The object store that everything is in; None is the data directory.
    s3_endpoint: Annotated[str, BeforeValidator(values.endpoint)] | None = None
    s3_region: Annotated[str, BeforeValidator(values.region)] = "us-east-1"
    #: Buckets in the path of the store's URLs; false: in the host name.
    s3_force_path_style: Annotated[bool, BeforeValidator(values.boolean)] = True
    #: What the names of all buckets begin with in the store.
    s3_bucket_prefix: Annotated[str, BeforeValidator(values.bucket_prefix)] | None = None
    #: No other host writes there: what nobody needs goes at once.
    s3_only_writer: Annotated[bool, BeforeValidator(values.boolean)] = False
    #: Seconds that HEAD may answer what was read before, whatever other processes have done since.
    s3_manifest_ttl: Annotated[float, BeforeValidator(values.not_a_boolean), Field(ge=0, le=60)] = 0.0
    #: For the store; without them those of the AWS tools' usual places.
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None

    @property
    def signed(self) -> bool:
        """Whether requests must be signed; otherwise the server is open to whoever reaches it."""
        return self.secret_access_key is not None or bool(self.keys)

    @property
    def scheme(self) -> Literal["http", "https"]:
        """What both ports speak."""
        return "http" if self.tls_cert is None else "https"


def ui_directory() -> Path:
    """Where the browser UI is, if it is built: inside an installed package, else where `make ui` puts it."""
    package = Path(__file__).resolve().parent
    installed = package / "ui_dist"
    return installed if (installed / "index.html").is_file() else package.parent / "ui-dist"
