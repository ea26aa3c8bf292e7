"""Labs of two checkouts beside each other."""

from projects import LAB
from towline.config.envfile import read_env
from towline.lab import fleet


def test_one_checkouts_lab_survives_the_end_of_anothers(tmp_path):
    settings = read_env(LAB, {}) if LAB.exists() else {}
    folders = [tmp_path / name / ".towline/lab" for name in ("one", "two")]
    try:
        labs = [fleet.up(folder, hosts=1, settings=settings) for folder in folders]
        containers = [lab.hosts[0].container for lab in labs]
        assert len(set(containers)) == 2
        removed = fleet.down(folders[1])
        assert containers[1] in removed
        assert containers[0] not in removed
        assert set(fleet.states(folders[0]).values()) == {"running"}
        # Without its folder, too, a checkout knows which lab is its own.
        (folders[0] / "lab.json").unlink()
        assert containers[0] in fleet.down(folders[0])
    finally:
        for folder in folders:
            fleet.down(folder)
