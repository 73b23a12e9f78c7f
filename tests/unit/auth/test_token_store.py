# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from airflow_provider_clarus.auth._token_store import TokenSlot, open_slot

TOKEN = {"access_token": "a-secret", "renew_at": 1.5}


def stored() -> TokenSlot:
    with open_slot("url", "client", "secret") as slot:
        slot.write(TOKEN)
    return slot


def files() -> list[Path]:
    return [path for path in Path(tempfile.gettempdir()).rglob("*") if path.is_file()]


def test_a_token_is_read_back_with_the_same_credentials_only() -> None:
    stored()
    with open_slot("url", "client", "secret") as slot:
        assert slot.read() == TOKEN
    with open_slot("url", "client", "other") as slot:
        assert slot.read() is None


def test_a_shorter_token_replaces_a_longer_one() -> None:
    stored()
    with open_slot("url", "client", "secret") as slot:
        slot.write({"access_token": "b"})
        assert slot.read() == {"access_token": "b"}


def test_the_file_is_private_and_tells_nothing() -> None:
    stored()
    (file,) = files()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert b"secret" not in file.read_bytes()
    assert "client" not in file.name


@pytest.mark.parametrize("damage", [b"", b"junk", b"gAAAAA=="])
def test_a_damaged_file_is_no_token(damage: bytes) -> None:
    stored()
    files()[0].write_bytes(damage)
    with open_slot("url", "client", "secret") as slot:
        assert slot.read() is None
        slot.write(TOKEN)
        assert slot.read() == TOKEN


def test_a_folder_that_others_can_enter_is_refused() -> None:
    stored()
    files()[0].parent.chmod(0o755)
    with pytest.raises(PermissionError, match="not a private folder"):
        stored()


def test_links_that_someone_left_there_are_not_followed(tmp_path: Path) -> None:
    stored()
    (file,) = files()
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        stored()
    file.unlink()
    file.parent.rmdir()
    (tmp_path / "folder").mkdir(mode=0o700)
    file.parent.symlink_to(tmp_path / "folder")
    with pytest.raises(PermissionError, match="not a private folder"):
        stored()
    assert list(tmp_path.rglob("*")) == [tmp_path / "folder"]


def test_a_full_disk_costs_a_token_request_and_no_task() -> None:
    with open("/dev/full", "r+b", buffering=0) as full:
        TokenSlot(full, Fernet(Fernet.generate_key())).write(TOKEN)


def test_a_slot_is_open_in_one_place_at_a_time() -> None:
    order = []

    def second() -> None:
        with open_slot("url", "client", "secret") as slot:
            order.append(slot.read())

    with open_slot("url", "client", "secret") as slot:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
        slot.write(TOKEN)
    thread.join()
    assert order == ["first", TOKEN]
