import pytest

from towline.errors import UsageError
from towline.promotion import manifest as manifests
from towline.promotion.migrations import (
    compare_migrations,
    find_migrations,
    is_same_record,
    merge_differences,
)

DJANGO = ["**/migrations/[0-9]*.py"]


def tree_of(folder, files):
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def recorded(folder, files, patterns=DJANGO):
    tree_of(folder, files)
    made = manifests.build(folder, project="shop", version="1.0.0", migrations=patterns)
    manifests.write(folder, made)
    return manifests.read(folder).migrations


def test_two_apps_may_name_a_migration_alike(tmp_path):
    one = recorded(tmp_path / "a", {"src/shop/migrations/0001_initial.py": "shop"})
    two = recorded(
        tmp_path / "b",
        {
            "src/shop/migrations/0001_initial.py": "shop",
            "src/news/migrations/0001_initial.py": "news",
            "src/news/migrations/__init__.py": "",
        },
    )
    assert sorted(two) == ["src/news/migrations/0001_initial.py", *one]
    difference = compare_migrations(two, one)
    assert difference.unknown == ("src/news/migrations/0001_initial.py",)
    assert not compare_migrations(one, two)
    assert not difference.names_only


def test_another_content_of_an_applied_migration_is_a_difference(tmp_path):
    one = recorded(tmp_path / "a", {"m/migrations/0001.py": "add column a"})
    two = recorded(tmp_path / "b", {"m/migrations/0001.py": "add column b"})
    difference = compare_migrations(two, one)
    assert (difference.unknown, difference.changed) == ((), ("m/migrations/0001.py",))
    assert difference.lines() == ["m/migrations/0001.py (other content)"]


def test_names_of_an_older_towline_are_compared_by_name_and_that_is_said(tmp_path):
    now = recorded(tmp_path, {"m/migrations/0001.py": "a", "m/migrations/0002.py": "b"})
    text = (tmp_path / "release.json").read_text()
    start, end = text.index('"migrations": {'), text.index("}", text.index('"migrations": {')) + 1
    (tmp_path / "release.json").write_text(text[:start] + '"migrations": ["0001.py"]' + text[end:])
    old = manifests.read(tmp_path).migrations
    assert old == {"0001.py": ""}
    difference = compare_migrations(now, old)
    assert difference.unknown == ("m/migrations/0002.py",)
    assert difference.names_only
    assert not is_same_record(now, old)
    assert is_same_record({"m/migrations/0001.py": "a" * 64}, old)
    assert not compare_migrations(old, now)


def test_records_by_path_are_the_same_only_with_the_same_content():
    assert is_same_record({"a": "1"}, {"a": "1"})
    assert not is_same_record({"a": "1"}, {"a": "2"})
    assert is_same_record({}, {})
    assert not is_same_record({"a": "1"}, {})


def test_no_pattern_finds_nothing():
    assert find_migrations({}, []) == {}
    assert not merge_differences([])


@pytest.mark.parametrize("given", ['"0001"', "[1]", "7", '{"a": 1}'])
def test_another_kind_of_record_is_refused(tmp_path, given):
    recorded(tmp_path, {"x": ""})
    file = tmp_path / "release.json"
    file.write_text(file.read_text().replace('"migrations": {}', f'"migrations": {given}'))
    with pytest.raises(UsageError, match="migrations"):
        manifests.read(tmp_path)
