import pytest

from towline.errors import UsageError
from towline.versions import version_files

POETRY = """\
# version = "1.0.0" in a comment
[build]
version = "1.0.0"
[tool.poetry.dependencies]
other = { version = "1.0.0" }
[tool.poetry]
note = '''
version = "1.0.0"
'''
version = '1.0.0' # ours
"""
CASES = {
    "pyproject.toml": (
        '[project]\nname = "x"\nversion   =  "1.0.0"   # why\n\n[tool.x]\nversion = "1.0.0"\n',
        '[project]\nname = "x"\nversion   =  "1.2.0"   # why\n\n[tool.x]\nversion = "1.0.0"\n',
    ),
    "poetry/pyproject.toml": (POETRY, POETRY.replace("'1.0.0' # ours", "'1.2.0' # ours")),
    "inline/pyproject.toml": (
        'project = { name = "x", version = "1.0.0" }',
        'project = { name = "x", version = "1.2.0" }',
    ),
    "dotted/pyproject.toml": (
        '"project"."version"="1.0.0"\r\nproject.name = "x"\r\n',
        '"project"."version"="1.2.0"\r\nproject.name = "x"\r\n',
    ),
    "package.json": (
        '{\n\t"engines": {"version": "1.0.0"},\n\t"version" : "1.0.0",\n\t"name": "ü"\n}',
        '{\n\t"engines": {"version": "1.0.0"},\n\t"version" : "1.2.0",\n\t"name": "ü"\n}',
    ),
    "pkg/__init__.py": (
        '"""ü: __version__ = "1.0.0"."""\n__version__: str = \'1.0.0\'  # ü\r\nX = "1.0.0"\n',
        '"""ü: __version__ = "1.0.0"."""\n__version__: str = \'1.2.0\'  # ü\r\nX = "1.0.0"\n',
    ),
    "one_line.py": ('ü = "1"; __version__ = "1.0.0"', 'ü = "1"; __version__ = "1.2.0"'),
    "VERSION": ("v1.0.0\r\n", "v1.2.0\r\n"),
    "version.txt": ("1.0.0", "1.2.0"),
    "bom.py": ('\ufeff__version__ = "1.0.0"\n', '\ufeff__version__ = "1.2.0"\n'),
    "Chart.yaml": (
        (
            'apiVersion: v2\nappVersion: "1.0.0" # app\nversion: 1.0.0\n'
            "dependencies:\n- name: db\n  version: 1.0.0\n"
        ),
        (
            'apiVersion: v2\nappVersion: "1.2.0" # app\nversion: 1.2.0\n'
            "dependencies:\n- name: db\n  version: 1.0.0\n"
        ),
    ),
}


def put(folder, name, text):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text.encode())


@pytest.mark.parametrize("name", CASES)
def test_only_the_version_changes(tmp_path, name):
    before, after = CASES[name]
    put(tmp_path, name, before)
    (tmp_path / name).chmod(0o640)
    assert version_files.written_version(tmp_path, [name]) == "1.0.0"
    changes = version_files.stamps(tmp_path, [name], "v1.2.0")
    assert (tmp_path / name).read_bytes() == before.encode()
    version_files.write(changes)
    assert (tmp_path / name).read_bytes().decode() == after
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o640
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [(tmp_path / name).name]
    (again,) = version_files.stamps(tmp_path, [name], "1.2.0")
    assert again.before == again.after
    version_files.take_back(changes)
    assert (tmp_path / name).read_bytes() == before.encode()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "pyproject.toml",
            '[project]\ndynamic = ["version"]\n',
            "takes its version from elsewhere",
        ),
        ("pyproject.toml", '[project]\ndynamic = ["readme"]\n', "has no project.version or"),
        ("pyproject.toml", "[project\n", "cannot be parsed"),
        ("pyproject.toml", "[project]\nversion = 1\n", "has no project.version that is a text"),
        ("package.json", "{", "cannot be parsed"),
        ("package.json", "[]", "has no version that is a text"),
        ("Chart.yaml", "version: 1.0.0\nappVersion: 1.16\n", "has no version or appVersion"),
        ("Chart.yaml", "a: [", "cannot be parsed"),
        ("a.py", "x = 1\n", "must assign __version__"),
        ("a.py", '__version__ = "1.0.0"\n__version__ = "2.0.0"\n', "not 2 times"),
        ("a.py", "def (\n", "is not valid Python"),
        ("VERSION", "", "'' is not a semantic version"),
        ("VERSION", "1.0.0 beta", "must hold a version and nothing else"),
        ("VERSION", "1.2", "'1.2' is not a semantic version"),
        ("setup.cfg", "", "is not a kind of version file"),
    ],
)
def test_a_file_without_a_version_is_named(tmp_path, name, text, message):
    put(tmp_path, name, text)
    with pytest.raises(UsageError, match=message) as caught:
        version_files.written_version(tmp_path, [name])
    assert str(tmp_path / name) in caught.value.message
    assert caught.value.remedy or "parsed" in message or "Python" in message


def test_a_file_that_is_missing_or_no_text(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        version_files.written_version(tmp_path, ["VERSION"])
    (tmp_path / "VERSION").write_bytes(b"\xff\xfe1")
    with pytest.raises(UsageError, match="is not UTF-8"):
        version_files.written_version(tmp_path, ["VERSION"])


def test_a_version_that_stands_nowhere_plainly_is_refused(tmp_path):
    put(tmp_path, "package.json", '{"version": "1\\u002e0.0"}')
    assert version_files.written_version(tmp_path, ["package.json"]) == "1.0.0"
    with pytest.raises(UsageError, match="no place was found"):
        version_files.stamps(tmp_path, ["package.json"], "1.2.0")


def test_files_that_disagree_are_both_named(tmp_path):
    put(tmp_path, "VERSION", "1.0.0\n")
    put(tmp_path, "package.json", '{"version": "1.0.1"}')
    with pytest.raises(UsageError, match=r"VERSION has version 1\.0\.0 and .*package\.json has 1"):
        version_files.written_version(tmp_path, ["VERSION", "package.json"])
    assert version_files.written_version(tmp_path, []) is None


def test_all_or_none_are_written(tmp_path):
    put(tmp_path, "VERSION", "1.0.0\n")
    put(tmp_path, "gone/VERSION", "1.0.0\n")
    changes = version_files.stamps(tmp_path, ["VERSION", "gone/VERSION"], "1.2.0")
    (tmp_path / "gone/VERSION").unlink()
    (tmp_path / "gone").rmdir()
    with pytest.raises(OSError, match="gone"):
        version_files.write(changes)
    assert (tmp_path / "VERSION").read_text() == "1.0.0\n"


def test_taking_back_spares_what_somebody_changed_since(tmp_path):
    put(tmp_path, "VERSION", "1.0.0\n")
    changes = version_files.stamps(tmp_path, ["VERSION"], "1.2.0")
    version_files.write(changes)
    put(tmp_path, "VERSION", "3.0.0\n")
    version_files.take_back(changes)
    assert (tmp_path / "VERSION").read_text() == "3.0.0\n"


def test_npm_repeats_the_version_beside_package_json(tmp_path):
    lock = (
        '{\n  "name": "shop",\n  "version": "0.9.0",\n  "lockfileVersion": 3,\n  "packages": {\n'
        '    "": {\n      "name": "shop",\n      "version": "0.9.0"\n    },\n'
        '    "node_modules/a": {\n      "version": "0.9.0"\n    }\n  }\n}\n'
    )
    put(tmp_path, "package.json", '{"name": "shop", "version": "1.0.0"}\n')
    put(tmp_path, "package-lock.json", lock)
    changes = version_files.stamps(tmp_path, ["package.json"], "1.1.0")
    assert [item.path.name for item in changes] == ["package.json", "package-lock.json"]
    assert changes[1].after.decode() == lock.replace("0.9.0", "1.1.0", 2)
    assert version_files.written_version(tmp_path, ["package.json"]) == "1.0.0"
    # Of the first form of the file, which has no packages, and of one without a version.
    put(tmp_path, "package-lock.json", '{"version": "1.0.0", "dependencies": {}}')
    after = version_files.stamps(tmp_path, ["package.json"], "1.1.0")[1].after
    assert after == b'{"version": "1.1.0", "dependencies": {}}'
    put(tmp_path, "package-lock.json", '{"lockfileVersion": 3}')
    assert len(version_files.stamps(tmp_path, ["package.json"], "1.1.0")) == 1


def test_both_versions_of_a_pyproject_are_stamped(tmp_path):
    text = '[project]\nversion = "1.0.0"\n\n[tool.poetry]\nversion = "0.9.0"  # stale\n'
    put(tmp_path, "pyproject.toml", text)
    assert version_files.written_version(tmp_path, ["pyproject.toml"]) == "1.0.0"
    change = version_files.stamps(tmp_path, ["pyproject.toml"], "1.1.0")[0]
    assert change.after.decode() == text.replace("1.0.0", "1.1.0").replace("0.9.0", "1.1.0")
