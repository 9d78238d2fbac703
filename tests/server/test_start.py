"""Starting: the root token, what stays over a restart, and what is said when it cannot be done."""

import stat
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from protocol.errors import ConfigError, Error, StartError
from server.app import open_server
from server.config import Config
from tests.server.rig import ROOT, OpenRig


async def refusal(kind: type[Error], **settings: Any) -> str:
    """What is said when a server with these settings is started."""
    with pytest.RaisesGroup(kind, flatten_subgroups=True, allow_unwrapped=True) as refused:
        async with open_server(Config(**{"port": 0, **settings}), registry=CollectorRegistry()):
            pass
    error: BaseException = refused.value
    while isinstance(error, BaseExceptionGroup):
        [error] = error.exceptions
    return str(error)


async def test_the_root_token_is_made_once_and_kept_for_its_owner_alone(open_rig: OpenRig, tmp_path: Path) -> None:
    file = tmp_path / "root-token"
    async with open_rig(root_token=None) as rig:
        made = rig.server.new_root_token
        assert rig.server.root_token_file == file
        assert file.read_text() == f"{made}\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert (len(made.key), len(made.secret)) == (16, 32)
        assert await rig.root.as_(str(made)).rows() == []
    async with open_rig(root_token=None) as rig:
        assert rig.server.new_root_token is None
        assert await rig.root.as_(str(made)).rows() == []


async def test_a_given_root_token_replaces_the_old_one(open_rig: OpenRig, tmp_path: Path) -> None:
    async with open_rig(root_token=None) as rig:
        made = rig.server.new_root_token
    (tmp_path / "root-token").chmod(0o644)
    async with open_rig(root_token=ROOT) as rig:
        assert rig.server.new_root_token is None
        assert await rig.root.rows() == []
        assert (await rig.root.as_(str(made)).refusal("token_list_all_tokens"))["code"] == 102
    assert (tmp_path / "root-token").read_text() == f"{ROOT}\n"
    assert stat.S_IMODE((tmp_path / "root-token").stat().st_mode) == 0o600


@pytest.mark.parametrize("token", ["", "key", ":0123456789abcdef", "key:short", "user|0123456789abcdef"])
async def test_a_root_token_that_is_none_is_a_mistake(tmp_path: Path, token: str) -> None:
    said = await refusal(ConfigError, state_dir=tmp_path, root_token=token)
    assert said == "CRONPROBE_ROOT_TOKEN: want key:secret with a secret of at least 16 characters"


async def test_the_server_keeps_its_uuid(open_rig: OpenRig) -> None:
    seen = []
    for _ in range(2):
        async with open_rig() as rig:
            seen.append(rig.server.uuid)
    assert seen[0] == seen[1]


async def test_a_port_in_use_is_said(open_rig: OpenRig, tmp_path: Path) -> None:
    async with open_rig() as rig:
        port = rig.server.port
        said = await refusal(StartError, state_dir=tmp_path / "other", port=port)
    assert said == f"--listen 127.0.0.1:{port}: Address already in use; stop what listens there or choose another"


async def test_a_second_server_on_the_same_store_is_said(open_rig: OpenRig, tmp_path: Path) -> None:
    async with open_rig():
        said = await refusal(StartError, state_dir=tmp_path)
    path = tmp_path / "cronprobe.db"
    assert said == f"{path}: another cronprobe server has it open; stop it or choose another --store"


async def test_a_store_that_is_no_database_is_said(tmp_path: Path) -> None:
    path = tmp_path / "cronprobe.db"
    path.write_bytes(b"something else altogether, and long enough to look at" * 100)
    said = await refusal(StartError, state_dir=tmp_path)
    assert said == f"{path}: cannot be opened as a store: file is not a database; choose another --store"


async def test_a_store_in_a_file_instead_of_a_directory_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "x.db"
    said = await refusal(StartError, state_dir=tmp_path, store_url=f"sqlite:///{path}")
    assert said in (
        f"{path}: Not a directory; choose another --state-dir or --store",
        f"{path}: File exists; choose another --state-dir or --store",
    )


async def test_a_state_directory_that_is_a_file_is_said(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    said = await refusal(StartError, state_dir=file)
    assert said == f"--state-dir {file}: File exists; choose a directory that can be written"


async def test_a_store_of_no_known_kind_is_a_mistake(tmp_path: Path) -> None:
    said = await refusal(ConfigError, state_dir=tmp_path, store_url="mysql://db")
    assert said == (
        "--store: no store has the scheme 'mysql'; want sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DB"
    )


async def test_a_server_that_stopped_can_be_started_again_on_its_port(open_rig: OpenRig) -> None:
    async with open_rig() as rig, rig.agent():
        port = rig.server.port
    async with open_rig(port=port) as rig:
        assert rig.server.port == port
