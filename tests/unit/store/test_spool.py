"""Authority: SQLite, "How To Corrupt An Sqlite Database File", section 2 (network file systems); the project's contract
that such data roots are spooled; proc(5) for the form of mountinfo.
"""

import sys

import pytest

from labctl.errors import StoreError
from labctl.store import RunHeader, RunWriter, list_runs, open_run
from labctl.store import local as local_module
from labctl.store import segments as segments_module
from labctl.store import spool as spool_module
from labctl.store.local import why_not_local
from labctl.store.spool import spool_of
from labctl.store.verify import verify_run

MOUNTS = """\
22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/lab\\040share rw,relatime shared:9 - nfs4 server:/x rw,vers=4.2
31 30 0:41 / /mnt/lab\\040share/local rw,relatime - ext4 /dev/sdb1 rw
32 22 0:42 / /mnt/win rw - cifs //server/x rw
33 22 0:43 / /home/x/remote rw - fuse.sshfs x@server: rw
"""


@pytest.mark.skipif(sys.platform == "win32", reason="mountinfo is of Linux")
@pytest.mark.parametrize(
    ("folder", "why"),
    [
        ("/mnt/lab share/runs/deep", "a network drive (nfs4)"),
        ("/mnt/lab share/local/runs", None),
        ("/mnt/win", "a network drive (cifs)"),
        ("/mnt/windows", None),
        ("/home/x/remote/a", "a network drive (fuse.sshfs)"),
        ("/home/x/data", None),
    ],
)
def test_network_drive_is_recognised_when_it_is_mounted(tmp_path, monkeypatch, folder, why):
    (tmp_path / "mountinfo").write_text(MOUNTS, encoding="utf-8")
    monkeypatch.setattr(local_module, "_MOUNTS", tmp_path / "mountinfo")
    assert why_not_local(local_module.Path(folder)) == why


@pytest.mark.parametrize(
    ("mark", "client"),
    [
        (".dropbox.cache/", "Dropbox"),
        (".tmp.drivedownload/", "Google Drive"),
        (".sync_0123456789ab.db", "Nextcloud"),
        (".nextcloudsync.log", "Nextcloud"),
        (".stfolder/", "Syncthing"),
    ],
)
def test_synchronised_folder_is_recognised_when_a_client_left_its_mark(tmp_path, mark, client):
    top = tmp_path / "top"
    top.mkdir()
    (top / mark).mkdir() if mark.endswith("/") else (top / mark).touch()
    assert why_not_local(top / "data" / "runs") == f"synchronised by {client}"
    assert why_not_local(tmp_path / "other") is None


@pytest.mark.parametrize(
    ("name", "client"),
    [("OneDrive - Lab", "OneDrive"), ("Dropbox", "Dropbox"), ("com~apple~CloudDocs", "iCloud Drive")],
)
def test_synchronised_folder_is_recognised_when_it_has_the_name_of_a_client(tmp_path, name, client):
    assert why_not_local(tmp_path / name / "runs") == f"synchronised by {client}"
    assert why_not_local(tmp_path / f"not {name}" / "runs") is None


def test_synchronised_folder_is_recognised_when_the_environment_names_it(tmp_path, monkeypatch):
    monkeypatch.setenv("OneDriveCommercial", str(tmp_path / "cloud"))
    assert why_not_local(tmp_path / "cloud" / "runs") == "synchronised by OneDrive"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A data root that a client synchronises."""
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    folder = tmp_path / "Dropbox" / "runs"
    folder.mkdir(parents=True)
    return folder


def make(root):
    writer = RunWriter.create(root, RunHeader("x", ["Row"]))
    writer.intent(0, {})
    writer.point({"Row": 0}, 0)
    return writer


def test_run_grows_in_the_spool_and_is_found_there_when_data_root_is_synchronised(root):
    writer = make(root)
    writer.flush()
    assert list(root.iterdir()) == []
    assert writer.path.parent == spool_of(root)
    run = open_run("latest", root)
    assert (run.path, run.status) == (writer.path, "running")
    assert run.events()["kind"].tolist() == ["spool"]
    assert "synchronised by Dropbox" in run.events()["message"][0]
    assert [item["run_id"] for item in list_runs(root)] == [writer.run_id]
    assert list_runs(root.parent / "other") == []
    writer.seal("finished", {})
    assert [file.name for file in root.iterdir()] == [writer.path.name]
    assert writer.path.parent == root
    assert list(spool_of(root).glob("*.sqlite*")) == []
    assert open_run(writer.run_id, root).status == "finished"
    assert verify_run(writer.path) == []


def test_run_stays_in_the_spool_when_it_cannot_be_copied(root, monkeypatch):
    writer = make(root)
    root.rmdir()
    root.touch()
    with pytest.raises(StoreError, match=r"is sealed and whole, but cannot be copied .*by hand"):
        writer.seal("finished", {})
    root.unlink()
    assert open_run("latest", root).status == "finished"


def test_run_stays_in_the_spool_when_the_copy_differs(root, monkeypatch):
    real = spool_module.shutil.copyfileobj

    def lossy(source, target, *rest):
        real(source, target, *rest)
        target.seek(5000)
        target.write(b"\xff")

    monkeypatch.setattr(spool_module.shutil, "copyfileobj", lossy)
    writer = make(root)
    with pytest.raises(StoreError, match="differs"):
        writer.seal("finished", {})
    assert list(root.iterdir()) == []
    assert verify_run(open_run("latest", root).path) == []


@pytest.mark.parametrize("status", ["failed", None])
def test_run_comes_home_when_it_is_resumed_from_there_or_from_the_spool(root, monkeypatch, status):
    writer = make(root)
    if status is None:
        writer.close()
        monkeypatch.setattr(segments_module, "is_alive", lambda process: False)
    else:
        writer.seal(status, {})
    writer = RunWriter.resume(open_run("latest", root).path)
    assert writer.path.parent == spool_of(root)
    assert open_run("latest", root).status == "running"
    writer.intent(1, {})
    writer.point({"Row": 1}, 1)
    writer.seal("finished", {})
    assert [file.name for file in root.iterdir()] == [writer.path.name]
    run = open_run("latest", root)
    assert (run.path, run.status, run.rows()) == (writer.path, "finished", [(0,), (1,)])


def test_run_is_refused_when_neither_data_root_nor_spool_is_local(root, tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "OneDrive" / "home"))
    with pytest.raises(StoreError, match=r"synchronised by Dropbox.*synchronised by OneDrive.*set LABCTL_HOME"):
        make(root)


def test_copy_that_stayed_behind_is_refused_when_the_run_went_on_in_the_spool(root, monkeypatch):
    monkeypatch.setattr(segments_module, "is_alive", lambda process: False)
    writer = make(root)
    writer.seal("aborted", {})
    at_home = writer.path
    writer = RunWriter.resume(at_home)
    writer.point({"Row": 1}, 1)
    writer.close()
    with pytest.raises(StoreError, match="went on in"):
        RunWriter.resume(at_home)
    RunWriter.resume(writer.path).seal("finished", {})
    assert open_run(at_home).rows() == [(0,), (1,)]


def test_log_comes_along_when_an_interrupted_run_is_resumed_from_a_folder_that_is_synchronised_now(
    root, tmp_path, monkeypatch
):
    writer = make(tmp_path / "local")
    for file in (tmp_path / "local").glob("*.sqlite*"):
        (root / file.name).write_bytes(file.read_bytes())
    writer.close()
    monkeypatch.setattr(segments_module, "is_alive", lambda process: False)
    again = RunWriter.resume(root / writer.path.name)
    assert again.count == 1
    again.seal("finished", {})
