import pytest

from towline.errors import UsageError
from towline.versions.tags import TagForm
from towline.versions.version import parse

# From the regular expression that semver.org gives, and the examples beside it.
VALID = """
0.0.4 1.2.3 10.20.30 1.1.2-prerelease+meta 1.1.2+meta 1.1.2+meta-valid 1.0.0-alpha 1.0.0-beta
1.0.0-alpha.beta 1.0.0-alpha.beta.1 1.0.0-alpha.1 1.0.0-alpha0.valid 1.0.0-alpha.0valid
1.0.0-alpha-a.b-c-somethinglong+build.1-aef.1-its-okay 1.0.0-rc.1+build.1 2.0.0-rc.1+build.123
1.2.3-beta 10.2.3-DEV-SNAPSHOT 1.2.3-SNAPSHOT-123 1.0.0 2.0.0 1.1.7 2.0.0+build.1848
2.0.1-alpha.1227 1.0.0-alpha+beta 1.2.3----RC-SNAPSHOT.12.9.1--.12+788
1.2.3----R-S.12.9.1--.12+meta 1.2.3----RC-SNAPSHOT.12.9.1--.12 1.0.0+0.build.1-rc.10000aaa-kk-0.1
99999999999999999999999.999999999999999999.99999999999999999 1.0.0-0A.is.legal
""".split()
INVALID = """
1 1.2 1.2.3-0123 1.2.3-0123.0123 1.1.2+.123 +invalid -invalid -invalid+invalid -invalid.01 alpha
alpha.beta alpha.beta.1 alpha.1 alpha+beta alpha_beta alpha. alpha.. beta 1.0.0-alpha_beta -alpha.
1.0.0-alpha.. 1.0.0-alpha..1 1.0.0-alpha...1 1.0.0-alpha....1 1.0.0-alpha.....1 1.0.0-alpha......1
1.0.0-alpha.......1 01.1.1 1.01.1 1.1.01 1.2.3.DEV 1.2-SNAPSHOT
1.2.31.2.3----RC-SNAPSHOT.12.09.1--..12+788 1.2-RC-SNAPSHOT -1.0.3-gamma+b7718 +justmeta
9.8.7+meta+meta 9.8.7-whatever+meta+meta
99999999999999999999999.999999999999999999.99999999999999999----RC-SNAPSHOT.12.09.1-------..12
""".split()


@pytest.mark.parametrize("text", VALID)
def test_the_valid_versions_of_semver_org(text):
    assert str(parse(text)) == text
    assert TagForm("v{version}").version(f"v{text}") == parse(text)


@pytest.mark.parametrize("text", INVALID)
def test_the_invalid_versions_of_semver_org(text):
    assert TagForm("v{version}").version(f"v{text}") is None
    with pytest.raises(UsageError, match="semantic version"):
        parse(text)


@pytest.mark.parametrize("text", ["1.2.3\n", " 1.2.3", "\uff11.2.3", "1.2.³"])
def test_versions_that_a_careless_pattern_takes(text):
    assert TagForm().version(f"v{text}") is None
    with pytest.raises(UsageError, match="semantic version"):
        parse(text)


@pytest.mark.parametrize(
    ("form", "tag", "version"),
    [
        ("v{version}", "v1.2.3", "1.2.3"),
        ("{version}", "1.2.3", "1.2.3"),
        ("shop-v{version}", "shop-v1.2.3-rc.1", "1.2.3-rc.1"),
        ("releases/{version}/final", "releases/1.2.3/final", "1.2.3"),
        ("v{version}", "1.2.3", None),
        ("v{version}", "v10", None),
        ("v{version}", "v1.2", None),
        ("{version}", "v1.2.3", None),
        ("shop-v{version}", "v1.2.3", None),
        ("v{version}", "shop-v1.2.3", None),
        ("v{version}", "v1.2.3-", None),
    ],
)
def test_only_full_versions_in_the_form_count(form, tag, version):
    found = TagForm(form).version(tag)
    assert (str(found) if found else None) == version
    if version:
        assert TagForm(form).tag(version) == tag


def test_a_tag_can_be_ignored():
    assert TagForm(ignored=("v1.*",)).version("v1.2.3") is None


@pytest.mark.parametrize("tag", ["v1.3.0rc1", "v1.03.0", "v2.0.0.1", "v1.3.0_1"])
def test_a_misspelt_version_above_the_last_one_stops(tag):
    with pytest.raises(UsageError, match=tag) as caught:
        TagForm().refuse_misspelt(["v1.2.3", tag], parse("1.2.3"))
    assert "versions.ignore_tags" in caught.value.remedy


@pytest.mark.parametrize("tag", ["v1.2.3rc1", "v1.2.0.1", "v10", "vnext", "shop-v9.9.9.9"])
def test_other_tags_are_passed_over(tag):
    TagForm().refuse_misspelt([tag, "v1.2.3"], parse("1.2.3"))
    TagForm(ignored=("v9*",)).refuse_misspelt(["v9.9.9.9"], parse("1.2.3"))
