# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from airflow_provider_clarus.auth import state_folder
from airflow_provider_clarus.auth._patience import ImpatientError, Patience
from airflow_provider_clarus.auth._token_store import KEPT, TokenSlot, open_slot, remove_old_slots
from airflow_provider_clarus.http.limit import Limit

TOKEN = {"access_token": "a-secret", "renew_at": 1.5}


@contextmanager
def opened(*credentials: str, seconds: float = 10.0) -> Iterator[TokenSlot]:
    with open_slot(*(credentials or ("url", "client", "secret")), patience=Patience(seconds)) as slot:
        yield slot


def stored(*credentials: str) -> Path:
    """Store a token, and return its file."""
    before = set(files())
    with opened(*credentials) as slot:
        assert slot.write(TOKEN)
    (new,) = set(files()) - before
    return new


def files() -> list[Path]:
    places = (os.environ["XDG_STATE_HOME"], tempfile.gettempdir())
    found = [path for place in places for path in Path(place).rglob("*")]
    return [path for path in found if path.is_file() and path.suffix != ".lock"]


def test_a_token_is_read_back_with_the_same_credentials_only() -> None:
    stored()
    with opened() as slot:
        assert slot.read() == TOKEN
    with opened("url", "client", "other") as slot:
        assert slot.read() == {}


def test_a_shorter_token_replaces_a_longer_one() -> None:
    stored()
    with opened() as slot:
        slot.write({"access_token": "b"})
        assert slot.read() == {"access_token": "b"}


def test_the_file_is_private_and_tells_nothing() -> None:
    file = stored()
    assert {path.stat().st_mode & 0o777 for path in file.parent.iterdir()} == {0o600}
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert b"secret" not in file.read_bytes()
    assert "client" not in file.name


def test_it_is_in_the_users_state_folder() -> None:
    assert stored().parent == Path(os.environ["XDG_STATE_HOME"], "airflow-provider-clarus")


@pytest.mark.parametrize("damage", [b"", b"junk", b"gAAAAA=="])
def test_a_damaged_file_is_no_token(damage: bytes) -> None:
    stored().write_bytes(damage)
    with opened() as slot:
        assert slot.read() == {}
        slot.write(TOKEN)
        assert slot.read() == TOKEN


def test_a_process_that_ends_while_it_writes_leaves_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    stored()

    def ended(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", ended)
    with opened() as slot:
        with pytest.raises(KeyboardInterrupt):
            slot.write({"access_token": "b"})
        assert slot.read() == TOKEN
    assert len(files()) == 1


def no_folder(state: Path) -> None:
    state.write_text("a file where the folder would be")


def open_to_others(state: Path) -> None:
    (state / "airflow-provider-clarus").mkdir(parents=True)
    (state / "airflow-provider-clarus").chmod(0o755)


def link_to_elsewhere(state: Path) -> None:
    state.mkdir()
    (state / "elsewhere").mkdir(mode=0o700)
    (state / "airflow-provider-clarus").symlink_to(state / "elsewhere")


@pytest.mark.parametrize("spoil", [no_folder, open_to_others, link_to_elsewhere])
def test_without_a_private_state_folder_it_is_the_temporary_one_and_the_log_says_so_once(
    spoil: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert callable(spoil)
    spoil(tmp_path / "state")
    for number in range(2):
        file = stored(f"client {number}")
        assert file.parent == Path(tempfile.gettempdir(), f"airflow-provider-clarus-{os.getuid()}")
    (warning,) = [record.getMessage() for record in caplog.records]
    assert str(file.parent) in warning
    assert "XDG_STATE_HOME" in warning


def test_without_any_private_folder_nothing_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null/state")
    folder = stored().parent
    folder.chmod(0o755)
    with pytest.raises(PermissionError, match="not a private folder"), opened():
        pass


def test_a_user_without_a_home_has_no_folder_in_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        state_folder.platformdirs, "user_state_path", lambda *_, **__: Path("~/.local/state/x")
    )
    stored()
    assert list(tmp_path.iterdir()) == []


def test_links_that_someone_left_there_are_not_followed(tmp_path: Path) -> None:
    file = stored()
    elsewhere = file.rename(tmp_path / "elsewhere")
    file.symlink_to(elsewhere)
    with opened() as slot:
        assert slot.read() == {}
        assert slot.write({"access_token": "b"})
    assert not file.is_symlink()
    elsewhere.unlink()
    lock = file.with_name(f"{file.name}.lock")
    lock.unlink()
    lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), opened():
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_nothing_costs_a_token_request_and_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    stored()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with opened() as slot:
        assert not slot.write({"access_token": "b"})
        assert slot.read() == TOKEN


def test_a_slot_is_open_in_one_place_at_a_time() -> None:
    order: list[object] = []

    def second() -> None:
        with opened() as slot:
            order.append(slot.read())

    with opened() as slot:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
        slot.write(TOKEN)
    thread.join()
    assert order == ["first", TOKEN]


@pytest.mark.parametrize("how", ["thread", "process"])
def test_nobody_waits_for_a_slot_for_ever(how: str) -> None:
    said_to: list[str] = []

    def wait() -> None:
        try:
            with opened(seconds=0.1):
                pass
        except ImpatientError as error:
            said_to.append(str(error))

    with opened():
        if how == "thread":
            thread = threading.Thread(target=wait)
            thread.start()
            thread.join(20)
            assert re.search(r"no answer within 1\.\d s", *said_to)
        else:
            code = (
                "from airflow_provider_clarus.auth._token_store import open_slot\n"
                "from airflow_provider_clarus.auth._patience import Patience\n"
                "with open_slot('url', 'client', 'secret', patience=Patience(0.1)): pass"
            )
            said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
            assert "ImpatientError" in said.stderr


def test_who_has_less_time_than_a_request_waits_no_longer_than_that() -> None:
    found: list[float] = []

    def wait() -> None:
        began = time.monotonic()
        with Limit(0.2), pytest.raises(ImpatientError), opened(seconds=60):
            pass
        found.append(time.monotonic() - began)

    with opened():
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(30)
    assert found[0] < 30


def test_what_nobody_has_used_for_long_is_removed_and_nothing_else() -> None:
    old, used, fresh = (stored(name) for name in ("old", "used", "fresh"))
    orphan = old.with_name("tmp-of-a-killed-process")
    orphan.touch()
    for path in (old, used, orphan):
        os.utime(path, (time.time() - KEPT - 60,) * 2)
    with opened("used") as slot:
        assert slot.read() == TOKEN
    remove_old_slots()
    assert set(files()) == {used, fresh}
    locks = {path.name for path in fresh.parent.glob("*.lock")}
    assert locks == {f"{used.name}.lock", f"{fresh.name}.lock"}
    assert stored("old") == old


def test_an_old_slot_that_somebody_has_open_stays() -> None:
    file = stored()
    with opened():
        os.utime(file, (time.time() - KEPT - 60,) * 2)
        thread = threading.Thread(target=remove_old_slots)
        thread.start()
        thread.join(30)
        assert file.exists()
