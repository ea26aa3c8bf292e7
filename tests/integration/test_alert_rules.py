"""The sample's alerts, by promtool: they are valid, and fire when they are to."""

import shutil
import subprocess
from pathlib import Path

from projects import LAB
from towline.config.envfile import read_env

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy/monitoring/prometheus"


def promtool(folder, *arguments):
    settings = read_env(LAB, {}) if LAB.exists() else {}
    image = settings.get("PROMETHEUS_IMAGE", "prom/prometheus:v2.54.1")
    return subprocess.run(
        ["docker", "run", "--rm", "--user", "0", "--volume", f"{folder}:/check:ro",
         "--workdir", "/check", "--entrypoint", "promtool", image, *arguments],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_the_alerts_are_valid_and_fire_by_their_figures(tmp_path):
    for file in (*MONITORING.iterdir(), Path(__file__).with_name("alerts_test.yml")):
        shutil.copy(file, tmp_path)
    for arguments in (
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ):
        done = promtool(tmp_path, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
