# SPDX-License-Identifier: GPL-2.0-only
"""What the documentation says about settings is what the code does."""

import re
import tomllib
from pathlib import Path

from dgproxy import config, config_values
from dgproxy.config import PREFIX
from dgproxy.config_values import ListenAddress
from dgproxy.s3.operation import Operation
from dgproxy.settings import Settings

PROJECT = Path(__file__).resolve().parent.parent


def test_example_file_has_every_setting_at_its_default() -> None:
    file = PROJECT / "deltaglider_proxy.toml.example"
    text = file.read_text()
    assert config.load(file=file, environment={}).settings == Settings(), "as it stands it changes nothing"
    every = tomllib.loads(re.sub(r"(?m)^#(?=\w+ = |    \"|\]|\[\[)", "", text))
    elsewhere = {
        name for name in Settings.model_fields if name.startswith("aws_")
    }  # as all AWS tools have it
    assert every.keys() == Settings.model_fields.keys() - elsewhere
    del every["audit_log"]  # there is none
    # What has no default, or depends on the machine, is shown by example.
    by_example = {"access_key_id", "secret_access_key", "keys", "tls_cert", "tls_key", "domain", "cache_dir"}
    by_example |= {"s3_endpoint", "s3_region", "s3_bucket_prefix"}
    for name in every.keys() - by_example - {"max_object_size", "workers"}:
        assert getattr(Settings.model_validate({name: every[name]}), name) == getattr(Settings(), name), name


def test_example_keys_are_good_ones(tmp_path: Path) -> None:
    """In the example file and in the page about authentication, with a secret where they say there is one."""
    (tmp_path / "secret").write_text("from-a-file\n")
    examples = [(PROJECT / "deltaglider_proxy.toml.example").read_text().partition("#[[keys]]")]
    examples += [text.partition("[[keys]]") for text in _toml(PROJECT / "docs/AUTHENTICATION.md")]
    for _, found, rest in examples:
        assert found
        file = tmp_path / "settings.toml"
        text = re.sub(r"(?m)^#(?=\w+ = |\[\[)", "", found + rest)
        file.write_text(text.replace("/run/secrets/ci", str(tmp_path / "secret")))
        keys = config.load(file=file, environment={"REPORTS_SECRET": "from-the-environment"}).settings.keys
        assert len(keys) == text.count("[[keys]]")


def _toml(page: Path) -> list[str]:
    return re.findall(r"(?s)```toml\n(.*?)```", page.read_text())


def test_readme_table_has_every_setting() -> None:
    rows = dict(re.findall(r"(?m)^\| `(\w+)` \| `(\w+)` \|", (PROJECT / "README.md").read_text()))
    aws = {name: name.upper() for name in Settings.model_fields if name.startswith("aws_")}
    only_in_files = {"keys"}
    assert (
        rows == {name: PREFIX + name.upper() for name in Settings.model_fields.keys() - only_in_files} | aws
    )
    assert only_in_files == set(re.findall(r"(?m)^\| `(\w+)` \| none: ", (PROJECT / "README.md").read_text()))


def test_readme_table_has_the_defaults() -> None:
    shown = dict(re.findall(r"(?m)^\| `(\w+)` \| `\w+` \| `([^`]+)` \|", (PROJECT / "README.md").read_text()))
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        if isinstance(default, str | int | float | ListenAddress | Path) and not isinstance(default, bool):
            text = f"./{default}" if isinstance(default, Path) else str(default)
            if isinstance(default, int) and not shown[name].isdigit():
                assert config_values.size(shown[name]) == default, name
            else:
                assert shown[name] == text, name


def test_readme_has_every_operation() -> None:
    """The table names what the server has, all of it and nothing else."""
    text = (
        (PROJECT / "README.md").read_text().partition("## Operations")[2].partition("Requests are signed")[0]
    )
    rows = re.findall(r"(?m)^\| ([A-Z]\w+(?:, \w+)*) \|", text)
    assert {name for row in rows for name in row.split(", ")} == {each.value for each in Operation}


def test_readme_has_the_default_suffixes() -> None:
    text = (PROJECT / "README.md").read_text()
    found = re.search(r"By default these suffixes are worth a delta: `([^`]+)`", text)
    assert found is not None
    assert tuple(found[1].split()) == Settings().delta_suffixes


def test_links_between_documents() -> None:
    for document in (*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md")):
        for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^):]*))?\)", document.read_text()):
            file = document.parent / target if target else document
            assert file.exists(), f"{document.name}: {target}"
            headings = re.findall(r"(?m)^#+ (.+)$", file.read_text()) if anchor else []
            assert not anchor or anchor in {
                re.sub(r"[^\w-]", "", each.lower().replace(" ", "-")) for each in headings
            }


def compatibility() -> list[tuple[str, str]]:
    """The rows of every table of operations: first and last cell."""
    text = (PROJECT / "docs/S3_COMPATIBILITY.md").read_text()
    tables = re.findall(r"(?m)^\| operation \|.*\n\| --- .*\n((?:\|.*\n)+)", text)
    rows = [row.strip("| ").split(" | ") for table in tables for row in table.splitlines()]
    assert all(len(row) == 4 for row in rows), [row for row in rows if len(row) != 4]
    return [(row[0], row[3]) for row in rows]


def test_compatibility_names_tests_that_exist() -> None:
    rows = compatibility()
    assert len(rows) > 100
    for operation, tests in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", tests)
        assert named, f"no test for {operation}"
        for file, test in named:
            source = (PROJECT / file).read_text()
            assert re.search(rf"(?m)^(?:async )?def {test}\(", source), f"{file}::{test}"


def test_compatibility_has_every_operation() -> None:
    named = {name for cell, _ in compatibility() for name in cell.split(", ")}
    assert {operation.value for operation in Operation} <= named
