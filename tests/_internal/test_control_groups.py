"""Limits of control groups, read from files that are laid out as Linux does."""

from pathlib import Path

import pytest

from jaxsup._internal import control_groups


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that has the place of the kernel's files."""
    monkeypatch.setattr(control_groups, "_ROOT", tmp_path / "fs")
    monkeypatch.setattr(control_groups, "_OWN", tmp_path / "own")
    return tmp_path


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_a_machine_without_groups_has_no_limits(machine: Path) -> None:
    assert control_groups.memory_left() is None
    assert control_groups.processors() is None
    write(machine, own="0::/\n")
    assert control_groups.memory_left() is None
    assert control_groups.processors() is None


@pytest.mark.parametrize(
    ("limit", "used", "left"),
    [("3000000\n", "1000000\n", 2_000_000), ("1000000\n", "3000000\n", 0), ("max\n", "5\n", None)],
)
def test_a_container_is_the_root_of_what_it_sees(
    machine: Path, limit: str, used: str, left: int | None
) -> None:
    """Its path may be told from inside, or from outside, where it does not lead anywhere."""
    for path in ("/", "/docker/4f1b", "/../../kubepods/4f1b"):
        write(machine, own=f"0::{path}\n")
        write(machine / "fs", memory__max=limit, memory__current=used, cpu__max="max 100000\n")
        assert control_groups.memory_left() == left
        assert control_groups.processors() is None


def test_files_that_nobody_uses_are_no_use_of_memory(machine: Path) -> None:
    write(machine, own="0::/\n")
    stat = "anon 100\ninactive_anon 700\ninactive_file 500000\nactive_file 900\n"
    write(machine / "fs", memory__max="3000000", memory__current="1000000", memory__stat=stat)
    assert control_groups.memory_left() == 2_500_000


def test_a_job_has_the_limits_of_the_groups_around_it(machine: Path) -> None:
    """As schedulers nest them: the step has no limit of its own, the job has."""
    write(machine, own="0::/slurm/job_7/step_0\n")
    job, step = (machine / "fs" / "slurm" / "job_7", machine / "fs" / "slurm" / "job_7" / "step_0")
    write(step, memory__max="max", memory__current="10", cpu__max="max 100000")
    write(job, memory__max="5000", memory__current="2000", cpu__max="150000 100000")
    write(job.parent, memory__max="9000", memory__current="8000", cpu__max="300000 100000")
    assert control_groups.memory_left() == 1000
    assert control_groups.processors() == 1.5


def test_the_first_version_has_a_folder_for_each_kind(machine: Path) -> None:
    write(machine, own="4:memory:/job_7\n3:cpuacct,cpu:/job_7\n1:name=systemd:/\n0::/\n")
    for root, quota in (("memory", "-1"), ("cpu", "-1")):
        write(
            machine / "fs" / root,
            memory__limit_in_bytes=str(2**63 - 4096),
            memory__usage_in_bytes="7",
            cpu__cfs_quota_us=quota,
            cpu__cfs_period_us="100000",
        )
    assert control_groups.memory_left() == 2**63 - 4096 - 7
    assert control_groups.processors() is None
    write(
        machine / "fs" / "memory" / "job_7",
        memory__limit_in_bytes="4000",
        memory__usage_in_bytes="3000",
        memory__stat="inactive_file 1\ntotal_inactive_file 500\n",
    )
    write(machine / "fs" / "cpu" / "job_7", cpu__cfs_quota_us="400000", cpu__cfs_period_us="100000")
    assert control_groups.memory_left() == 1500
    assert control_groups.processors() == 4


def test_what_is_no_number_is_no_limit(machine: Path) -> None:
    write(machine, own="\n0\nx:y\n0::/a\n")
    write(machine / "fs", memory__max="", memory__current="12", cpu__max="\n")
    write(machine / "fs" / "a", memory__max="1e9", memory__current="12", cpu__max="100000 0")
    assert control_groups.memory_left() is None
    assert control_groups.processors() is None
