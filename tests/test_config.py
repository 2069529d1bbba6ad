# SPDX-License-Identifier: GPL-2.0-only
"""Settings: every value, every source, and one line for everything that can be wrong."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as unhurried
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from dgproxy import config
from dgproxy.config import PREFIX, ConfigError, Configuration
from dgproxy.config_values import ListenAddress
from dgproxy.s3.grants import Place
from dgproxy.settings import Settings

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLE"
GIB = 1 << 30


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file is found by accident."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        config, "_USUAL_FILES", (Path("deltaglider_proxy.toml"), tmp_path / "etc" / "config.toml")
    )


def from_environment(**settings: str) -> Settings:
    return config.load(
        environment={PREFIX + name.upper(): value for name, value in settings.items()}
    ).settings


def from_file(tmp_path: Path, text: str, environment: Mapping[str, str] | None = None) -> Configuration:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    return config.load(file=file, environment=environment or {})


def problems(environment: Mapping[str, str] | None = None, **arguments: object) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        config.load(environment=environment or {}, **arguments)  # type: ignore[arg-type]
    found = refused.value.problems
    assert found
    assert all("\n" not in line for line in found), "one line each"
    assert SECRET not in str(refused.value)
    return found


def problem(environment: Mapping[str, str] | None = None, **arguments: object) -> str:
    [line] = problems(environment, **arguments)
    return line


# -- values ------------------------------------------------------------------------------------------------


def test_defaults() -> None:
    settings, file, _ = config.load(environment={})
    assert file is None
    assert str(settings.listen_addr) == "127.0.0.1:9000"
    assert settings.default_bucket == "default"
    assert not settings.signed
    assert settings.max_delta_ratio == 0.5
    assert settings.max_object_size is None
    assert settings.cache_size_mb == 100
    assert settings.transfer_memory_mb == 512
    assert settings.data_dir == Path("./data")
    assert settings.workers >= 1
    assert settings.durability == "strict"
    assert " ".join(settings.delta_suffixes) == (
        ".zip .tar .tgz .tar.gz .tar.bz2 .tar.xz .jar .war .ear .rar .7z .dmg .iso .sql .dump .bak .backup"
    )


def test_defaults_pass_their_own_checks() -> None:
    written = {name: value for name, value in Settings().model_dump().items() if value is not None}
    written["listen_addr"] = str(Settings().listen_addr)
    assert Settings.model_validate(written) == Settings()


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9000", "127.0.0.1", 9000),
        ("0.0.0.0:80", "0.0.0.0", 80),
        ("[::1]:9000", "::1", 9000),
        ("[fe80::1%eth0]:1", "fe80::1%eth0", 1),
        ("localhost:0", "localhost", 0),
        ("s3.example.com:65534", "s3.example.com", 65534),
    ],
)
def test_listen_address(text: str, host: str, port: int) -> None:
    address = from_environment(listen_addr=text).listen_addr
    assert address == ListenAddress(host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "9000",
        ":9000",
        "localhost",
        "::1:9000",
        "[::1]",
        "[localhost]:1",
        "h:65535",
        "h:x",
        "h:-1",
        "h: 1",
        " ",
    ],
)
def test_no_listen_address(text: str) -> None:
    line = problem({f"{PREFIX}LISTEN_ADDR": text})
    assert line.startswith(f"listen_addr = {text!r} (environment variable {PREFIX}LISTEN_ADDR): ")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("4096", 4096),
        ("5GiB", 5 * GIB),
        ("1.5 gib", GIB * 3 // 2),
        ("2MB", 2_000_000),
        ("5 TiB", 5 << 40),
    ],
)
def test_max_object_size(text: str, size: int) -> None:
    assert from_environment(max_object_size=text).max_object_size == size


@pytest.mark.parametrize("text", ["0", "-1", "5 G", "many", "1e9", "6 TiB", "GiB", "1..5GiB", "٣"])
def test_no_max_object_size(text: str) -> None:
    assert problem({f"{PREFIX}MAX_OBJECT_SIZE": text}).startswith("max_object_size = ")


@pytest.mark.parametrize(
    ("text", "suffixes"),
    [
        (".zip", (".zip",)),
        (".ZIP, .tar.gz .zip,", (".zip", ".tar.gz")),
        ("*", ("*",)),
        ("-full.img", ("-full.img",)),
    ],
)
def test_delta_suffixes(text: str, suffixes: tuple[str, ...]) -> None:
    assert from_environment(delta_suffixes=text).delta_suffixes == suffixes


def test_delta_suffixes_as_a_list(tmp_path: Path) -> None:
    assert from_file(tmp_path, 'delta_suffixes = [".Zip", ".my file"]').settings.delta_suffixes == (
        ".zip",
        ".my file",
    )
    assert from_file(tmp_path, "delta_suffixes = []").settings.delta_suffixes == ()


@pytest.mark.parametrize("text", ["*.zip", "*, .zip", "a/b"])
def test_no_delta_suffixes(text: str) -> None:
    assert "delta_suffixes" in problem({f"{PREFIX}DELTA_SUFFIXES": text})


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("delta_form", ["zstd", "Plain", "vcdiff", "1"]),
        ("compression", ["on", "1", "yes", "zstd"]),
        ("max_references", ["0", "65", "four"]),
        ("cache_dir_size", ["1000", "ten", "-1"]),
        ("max_delta_ratio", ["-0.1", "1.01", "nan", "inf", "half"]),
        ("domain", ["s3.example.com:9000", ".example.com", "a..b", "x" * 64, "a b", "*.example.com"]),
        ("cors_origins", ["a.test", "https://*.*.test", "https://a.test/x", "ftp://a"]),
        ("signature_v2", ["yes", "1", "on"]),
        ("workers", ["0", "-1", "1.5", "two", "1000000"]),
        ("cache_size_mb", ["0", "-5", "x"]),
        ("transfer_memory_mb", ["63", "x"]),
        ("min_upload_rate", ["-1", "fast"]),
        ("durability", ["Strict", "none"]),
        ("log_level", ["verbose"]),
        ("default_bucket", ["ab", "a" * 64, "Upper", "a_b", "a..b", "-ab", "192.168.0.1", "xn--abc", "a/b"]),
        ("data_dir", ["a\0b", "~no-such-user-here/x"]),
    ],
)
def test_wrong_values(name: str, wrong: list[str]) -> None:
    for value in wrong:
        line = problem({PREFIX + name.upper(): value})
        assert line.startswith(f"{name} = {value!r} (environment variable {PREFIX}{name.upper()}): "), line


def test_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert from_environment(data_dir="~/store").data_dir == Path("/home/somebody/store")


@pytest.mark.parametrize(
    "line",
    ["workers = true", "max_delta_ratio = false", "listen_addr = 9000", "data_dir = []", "default_bucket = 1",
     "max_object_size = true", "delta_suffixes = [1]", "access_key_id = 1", "workers = 2001-01-01"],
)  # fmt: skip
def test_wrong_types_in_the_file(tmp_path: Path, line: str) -> None:
    (tmp_path / "settings.toml").write_text(line)
    name = line.split(maxsplit=1)[0]
    assert any(each.startswith(name) for each in problems(file=tmp_path / "settings.toml"))


@unhurried(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # about answers, not speed
@given(
    st.dictionaries(st.sampled_from(sorted(Settings.model_fields)), st.text() | st.integers() | st.floats())
)
def test_any_values(options: dict[str, object]) -> None:
    """Whatever is said: settings, or a line for each that can't be."""
    found: list[str] = []
    try:
        config.load(options, environment={})
    except ConfigError as error:
        found = error.problems
    assert all("\n" not in line for line in found)
    wrong = {name for name in options if any(line.startswith(name) for line in found)}
    for pair in ({"access_key_id", "secret_access_key"}, {"tls_cert", "tls_key"}):
        wrong |= pair if wrong & pair else set()
    if "s3_endpoint" in wrong:
        wrong |= {name for name in options if name.startswith(("s3_", "aws_"))}
    config.load({name: options[name] for name in options.keys() - wrong}, environment={})


def test_settings_never_change() -> None:
    with pytest.raises(ValidationError):
        Settings().workers = 3


# -- credentials -------------------------------------------------------------------------------------------


def test_both_credentials() -> None:
    settings = from_environment(access_key_id="AKIA1", secret_access_key=SECRET)
    assert settings.signed
    assert settings.secret_access_key == SecretStr(SECRET)
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings.model_dump())


def test_credentials_may_come_from_two_places(tmp_path: Path) -> None:
    environment = {f"{PREFIX}SECRET_ACCESS_KEY": SECRET}
    assert from_file(tmp_path, 'access_key_id = "AKIA1"', environment).settings.signed


@pytest.mark.parametrize("name", ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY"])
def test_one_credential_alone(name: str) -> None:
    line = problem({PREFIX + name: SECRET.replace("/", "")})
    assert f"environment variable {PREFIX}{name}" in line
    assert "access_key_id" in line
    assert "secret_access_key" in line
    assert SECRET.replace("/", "") not in line


@pytest.mark.parametrize("wrong", [f"{SECRET} ", f"{SECRET}\n", f" {SECRET}", f"{SECRET}é", f"${{{SECRET}}}"])
def test_wrong_secrets_are_not_shown(wrong: str) -> None:
    environment = {f"{PREFIX}ACCESS_KEY_ID": "AKIA1", f"{PREFIX}SECRET_ACCESS_KEY": wrong}
    assert problem(environment).startswith("secret_access_key (environment variable")
    # Whoever puts the secret where the id belongs must not find it in a log either.
    mixed_up = {f"{PREFIX}ACCESS_KEY_ID": wrong, f"{PREFIX}SECRET_ACCESS_KEY": "x"}
    assert problem(mixed_up).startswith("access_key_id (environment variable")


def test_a_misspelled_secret_is_not_shown(tmp_path: Path) -> None:
    assert "did you mean" in problem({f"{PREFIX}SECRET_KEY": SECRET})
    (tmp_path / "settings.toml").write_text(f'secret_key = "{SECRET}"')
    assert "did you mean secret_access_key?" in problem(file=tmp_path / "settings.toml")


def test_a_certificate_needs_its_key() -> None:
    settings = from_environment(tls_cert="cert.pem", tls_key="key.pem")
    assert (settings.tls_cert, settings.tls_key, settings.scheme) == (
        Path("cert.pem"),
        Path("key.pem"),
        "https",
    )
    assert Settings().scheme == "http"
    for alone, missing in (("TLS_CERT", "tls_key"), ("TLS_KEY", "tls_cert")):
        line = problem({PREFIX + alone: "file.pem"})
        assert f"variable {PREFIX}{alone}) is set, but {missing} is not; set both to serve https" in line
    pair = {f"{PREFIX}TLS_CERT": "~no-such-user-here/x", f"{PREFIX}TLS_KEY": "key.pem"}
    assert "there is no such home directory" in problem(pair)


# -- several keys ------------------------------------------------------------------------------------------

TABLE = f'[[keys]]\naccess_key_id = "ci"\nsecret_access_key = "{SECRET}"\n'


def test_keys(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\r\n")
    text = f"""
        [[keys]]
        access_key_id = "ci"
        secret_access_key_file = "{tmp_path / "secret"}"
        name = "build server"
        allow = ["releases", "default/nightly/*"]
        [[keys]]
        access_key_id = "reports"
        secret_access_key_variable = "REPORTS"
        read_only = true
    """
    settings = from_file(tmp_path, text, {"REPORTS": "another-secret"}).settings
    first, second = settings.keys
    assert (first.access_key_id, first.name, first.read_only) == ("ci", "build server", False)
    assert first.secret_access_key.get_secret_value() == SECRET
    assert first.allow == (Place("releases"), Place("default", "nightly/"))
    assert (second.name, second.allow, second.read_only) == ("", None, True)
    assert second.secret_access_key.get_secret_value() == "another-secret"
    assert settings.signed
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "exactly one of secret_access_key, secret_access_key_file, secret_access_key_variable"),
        (f'secret_access_key = "{SECRET}"\nsecret_access_key_file = "x"', "exactly one of"),
        ('secret_access_key_file = "/no/such/file"', "secret_access_key_file: can't be read: No such file"),
        ('secret_access_key_file = "/dev/null"', "secret_access_key: must have printable"),
        ('secret_access_key_file = "a\\u0000b"', "can't be read"),
        ("secret_access_key_file = 1", "must be text"),
        ('secret_access_key_variable = "NONE"', "the environment has no variable of that name"),
        (f'secret_access_key = "{SECRET} "', "secret_access_key: must have printable"),
        (f'secret_access_key = "{SECRET}"\nread_only = "yes"', "read_only = 'yes': must be true or false"),
        (f'secret_access_key = "{SECRET}"\nallow = []', "allow = []: must be a list such as"),
        (f'secret_access_key = "{SECRET}"\nallow = "releases"', "allow = 'releases': must be a list such as"),
        (f'secret_access_key = "{SECRET}"\nallow = ["releases/x"]', "'releases/x': a prefix ends with *"),
        (f'secret_access_key = "{SECRET}"\nname = "a\\nb"', "printable characters"),
        (f'secret_access_key = "{SECRET}"\nrole = "x"', "there is no 'role' in a table of keys"),
    ],
)
def test_wrong_keys(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "settings.toml").write_text(f'[[keys]]\naccess_key_id = "ci"\n{line}')
    found = problem(file=tmp_path / "settings.toml")
    assert found.startswith(f"keys, table 1 (in {tmp_path / 'settings.toml'}): "), found
    assert why in found


def test_wrong_keys_are_all_named_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(f'{TABLE}[[keys]]\naccess_key_id = "{SECRET}"\n{TABLE}')
    found = problems(file=tmp_path / "settings.toml")
    assert len(found) == 2
    assert "keys, table 2" in found[0]
    assert "table 3" in found[1]
    assert "access_key_id is in another table as well" in found[1]


@pytest.mark.parametrize("text", ["keys = []", "keys = [1]", "keys = 'x'", "keys = {}", "[keys.ci]\nx = 1"])
def test_keys_are_tables(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.toml").write_text(text)
    assert "each with the heading [[keys]]" in problem(file=tmp_path / "settings.toml")


def test_keys_stand_in_files_only() -> None:
    line = problem({f"{PREFIX}KEYS": f'[{{"secret_access_key": "{SECRET}"}}]'})
    assert line.startswith(
        f"keys (environment variable {PREFIX}KEYS): access keys stand in the configuration file"
    )


def test_the_pair_and_keys_together(tmp_path: Path) -> None:
    pair = {f"{PREFIX}ACCESS_KEY_ID": "admin", f"{PREFIX}SECRET_ACCESS_KEY": SECRET}
    assert from_file(tmp_path, TABLE, pair).settings.access_key_id == "admin"
    line = problem(pair | {f"{PREFIX}ACCESS_KEY_ID": "ci"}, file=tmp_path / "settings.toml")
    where = f"environment variable {PREFIX}ACCESS_KEY_ID"
    assert line == f"access_key_id ({where}): keys has the same id; remove one of the two"


# -- sources -----------------------------------------------------------------------------------------------


def test_precedence(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('listen_addr = "f:1"\ndefault_bucket = "file"\nworkers = 7')
    environment = {f"{PREFIX}LISTEN_ADDR": "e:1", f"{PREFIX}DEFAULT_BUCKET": "environment"}
    settings, file, _ = config.load(
        {"listen_addr": "c:1"}, file=tmp_path / "settings.toml", environment=environment
    )
    assert settings.listen_addr.host == "c"
    assert settings.default_bucket == "environment"
    assert settings.workers == 7
    assert settings.durability == "strict"
    assert file == tmp_path / "settings.toml"


def test_which_file(tmp_path: Path) -> None:
    """--config, else the variable, else the working directory, else /etc; only the first is read."""
    files = {
        name: tmp_path / name for name in ("option", "variable", "deltaglider_proxy.toml", "etc/config.toml")
    }
    (tmp_path / "etc").mkdir()
    for bucket, path in zip(("option", "variable", "working", "etc-file"), files.values(), strict=True):
        path.write_text(f'default_bucket = "{bucket}"')
    environment = {f"{PREFIX}CONFIG": str(files["variable"])}

    def bucket(**arguments: object) -> str:
        return config.load(**arguments).settings.default_bucket  # type: ignore[arg-type]

    assert bucket(file=files["option"], environment=environment) == "option"
    assert bucket(environment=environment) == "variable"
    assert bucket(environment={}) == "working"
    files["deltaglider_proxy.toml"].unlink()
    assert bucket(environment={}) == "etc-file"
    files["etc/config.toml"].unlink()
    assert bucket(environment={}) == "default"


def test_named_file_that_is_not_there(tmp_path: Path) -> None:
    assert "(named by --config): there is no such file" in problem(file=tmp_path / "none.toml")
    line = problem({f"{PREFIX}CONFIG": "/no/such/file.toml"})
    assert line == f"/no/such/file.toml (named by {PREFIX}CONFIG): there is no such file"


def test_usual_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A file that is there and can't be read is not passed over: the next might open the server to all."""
    (tmp_path / "deltaglider_proxy.toml").mkdir()
    assert "can't be read" in problem()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"not toml at all", "not valid TOML"),
        (b"workers = 1\nworkers = 2", "not valid TOML"),
        (b'default_bucket = "\xff"', "not UTF-8"),
        (b"x = " + b"[" * 10_000, "not valid TOML"),
    ],
)
def test_broken_file(tmp_path: Path, content: bytes, why: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(content)
    line = problem(file=file)
    assert line.startswith(str(file))
    assert why in line


@pytest.mark.parametrize(
    "key", ["no_such_key = 1", "[server]\nworkers = 1", "LISTEN_ADDR = 'h:1'", '"a\\nb" = 1']
)
def test_unknown_key(tmp_path: Path, key: str) -> None:
    (tmp_path / "settings.toml").write_text(key)
    line = problem(file=tmp_path / "settings.toml")
    assert str(tmp_path / "settings.toml") in line
    assert "there is no such setting" in line


def test_unknown_variable() -> None:
    line = problem({f"{PREFIX}LISTEN_ADDRESS": "h:1"})
    assert line == (
        f"environment variable {PREFIX}LISTEN_ADDRESS: there is no such setting; "
        f"did you mean {PREFIX}LISTEN_ADDR?"
    )


@pytest.mark.parametrize(
    "name", sorted(name for name in Settings.model_fields if not name.startswith("aws_"))
)
def test_empty_is_never_the_default(tmp_path: Path, name: str) -> None:
    assert any(name.upper() in line or name in line for line in problems({PREFIX + name.upper(): ""}))
    (tmp_path / "settings.toml").write_text(f'{name} = ""')
    assert any(line.startswith(name) for line in problems(file=tmp_path / "settings.toml"))


def test_empty_config_variable() -> None:
    assert "is empty" in problem({f"{PREFIX}CONFIG": ""})


def test_variables_in_the_file_are_not_taken_literally(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('data_dir = "${DATA}/store"')
    assert "variables are not replaced here" in problem(file=tmp_path / "settings.toml")


def test_everything_at_once(tmp_path: Path) -> None:
    """All problems are reported, also of values that a better source overrides."""
    (tmp_path / "settings.toml").write_text(
        'workers = 0\nnope = 1\ndefault_bucket = "B"\naccess_key_id = "AKIA1"\nmax_delta_ratio = 2'
    )
    environment = {f"{PREFIX}DURABILITY": "x", f"{PREFIX}NOPE": "1", f"{PREFIX}WORKERS": "3"}
    found = problems(environment, options={"listen_addr": "x"}, file=tmp_path / "settings.toml")
    for word in ("workers", "'nope'", "default_bucket", "access_key_id", "max_delta_ratio", "durability",
                 f"{PREFIX}NOPE", "listen_addr"):  # fmt: skip
        assert sum(line.startswith(word) or f"variable {word}:" in line for line in found) == 1, word
    assert len(found) == 8


# -- an object store ---------------------------------------------------------------------------------------


def test_an_object_store() -> None:
    environment = {
        f"{PREFIX}S3_ENDPOINT": "https://s3.eu-west-1.amazonaws.com/",
        f"{PREFIX}S3_REGION": "eu-west-1",
        f"{PREFIX}S3_FORCE_PATH_STYLE": "false",
        f"{PREFIX}S3_BUCKET_PREFIX": "acme-",
        "AWS_ACCESS_KEY_ID": "AKIA1",
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    settings = config.load(environment=environment).settings
    assert settings.s3_endpoint == "https://s3.eu-west-1.amazonaws.com"
    assert (settings.s3_region, settings.s3_force_path_style) == ("eu-west-1", False)
    assert settings.aws_secret_access_key is not None
    assert settings.aws_secret_access_key.get_secret_value() == SECRET
    assert not settings.signed


@pytest.mark.parametrize(
    ("name", "value"),
    [("s3_endpoint", "s3.amazonaws.com"), ("s3_endpoint", "http://host/path"), ("s3_region", "eu west"),
     ("s3_bucket_prefix", "UPPER"), ("s3_only_writer", "maybe"), ("s3_manifest_ttl", "61")],
)  # fmt: skip
def test_wrong_ways_to_an_object_store(name: str, value: str) -> None:
    environment = {f"{PREFIX}S3_ENDPOINT": "http://127.0.0.1:8333"} | {PREFIX + name.upper(): value}
    assert problem(environment).startswith(f"{name} = ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("s3_region", "eu-west-1"),
        ("s3_bucket_prefix", "a"),
        ("s3_only_writer", "true"),
        ("s3_manifest_ttl", "1"),
    ],
)
def test_nothing_about_an_object_store_without_one(name: str, value: str) -> None:
    assert "s3_endpoint is not" in problem({PREFIX + name.upper(): value})


def test_aws_credentials_of_other_tools_do_not_matter(tmp_path: Path) -> None:
    """Clients of this very server have them in their environment; in our file they would be a mistake."""
    settings = config.load(environment={"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": ""}).settings
    assert not settings.signed
    (tmp_path / "settings.toml").write_text(f'aws_secret_access_key = "{SECRET}"')
    assert "s3_endpoint is not" in problem(file=tmp_path / "settings.toml")
