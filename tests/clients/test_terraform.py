# SPDX-License-Identifier: GPL-2.0-only
"""Terraform or OpenTofu keeps its state on the server, locked by a file that only one can create.

Runs where either is installed: no package registry that `make test` may use has them.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.system.clients import REGION, S3Client, get
from tests.system.harness import ACCESS_KEY, SECRET_KEY, Server

# `terraform_data` comes with the program: nothing is downloaded.
CONFIGURATION = """
variable "text" {{ type = string }}
terraform {{
  backend "s3" {{
    bucket                      = "terraform"
    key                         = "env/prod/state é+1.tfstate"
    region                      = "{region}"
    endpoints                   = {{ s3 = "{url}" }}
    use_path_style              = true
    use_lockfile                = true
    skip_credentials_validation = true
    skip_metadata_api_check     = true
    skip_requesting_account_id  = true
    skip_region_validation      = true
  }}
}}
resource "terraform_data" "one" {{ input = var.text }}
output "text" {{ value = terraform_data.one.output }}
"""


def test_state_and_lock(server: Server, oracle: S3Client, tmp_path: Path, versions: dict[str, str]) -> None:
    program = shutil.which("tofu") or shutil.which("terraform")
    if program is None:
        pytest.skip("neither tofu nor terraform is installed")
    key = "env/prod/state é+1.tfstate"
    oracle.create_bucket(Bucket="terraform")
    (tmp_path / "main.tf").write_text(CONFIGURATION.format(region=REGION, url=server.url))
    (tmp_path / "settings").write_text("disable_checkpoint = true\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TF_CLI_CONFIG_FILE": str(tmp_path / "settings"),
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }

    def terraform(*arguments: str, fails: bool = False) -> str:
        done = subprocess.run(
            [program, *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        said = f"terraform {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert (done.returncode != 0) == fails, said
        return done.stderr if fails else done.stdout

    versions["terraform"] = terraform("version").splitlines()[0].replace(" v", " ")
    terraform("init", "-input=false")
    terraform("apply", "-auto-approve", "-var", "text=first")
    terraform("apply", "-auto-approve", "-var", "text=second ö")
    assert terraform("output", "-raw", "text") == "second ö"
    assert json.loads(get(oracle, "terraform", key)["Body"])["outputs"]["text"]["value"] == "second ö"

    lock = json.dumps({"ID": "held-by-another", "Operation": "OperationTypeApply", "Who": "another"}).encode()
    oracle.put_object(Bucket="terraform", Key=f"{key}.tflock", Body=lock)
    assert "held-by-another" in terraform("apply", "-auto-approve", "-var", "text=third", fails=True)
    assert get(oracle, "terraform", f"{key}.tflock")["Body"] == lock, "a lock that is held stays as it is"
    oracle.delete_object(Bucket="terraform", Key=f"{key}.tflock")
    terraform("apply", "-auto-approve", "-var", "text=third")
    terraform("destroy", "-auto-approve", "-var", "text=third")
    names = [each["Key"] for each in oracle.list_objects_v2(Bucket="terraform").get("Contents", ())]
    assert names == [key], "the state stays, the lock goes"
