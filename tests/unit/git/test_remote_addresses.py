import pytest

from towline.git.remote import compare_url, parse, redacted


@pytest.mark.parametrize(
    ("address", "host", "path", "web"),
    [
        ("git@github.com:acme/shop.git", "github.com", "acme/shop", "https://github.com/acme/shop"),
        ("github.com:acme/shop", "github.com", "acme/shop", "https://github.com/acme/shop"),
        ("https://github.com/acme/shop.git", "github.com", "acme/shop", "https://github.com/acme/shop"),
        ("https://x:s3cret@github.com/acme/shop/", "github.com", "acme/shop", "https://github.com/acme/shop"),
        ("ssh://git@gitlab.example:2222/group/sub/shop.git", "gitlab.example", "group/sub/shop",
         "https://gitlab.example/group/sub/shop"),
        ("http://localhost:3000/acme/shop", "localhost", "acme/shop", "http://localhost:3000/acme/shop"),
        ("git://example.org/shop.git", "example.org", "shop", "https://example.org/shop"),
        ("git@GitHub.com:acme/shop.git", "github.com", "acme/shop", "https://github.com/acme/shop"),
        ("https://www.github.com/acme/shop", "github.com", "acme/shop", "https://github.com/acme/shop"),
        ("ssh://git@ssh.github.com:443/acme/shop.git", "github.com", "acme/shop",
         "https://github.com/acme/shop"),
        ("ssh://git@altssh.gitlab.com:443/acme/shop.git", "gitlab.com", "acme/shop",
         "https://gitlab.com/acme/shop"),
        ("http://[::1]:3000/acme/shop", "::1", "acme/shop", "http://[::1]:3000/acme/shop"),
    ],
)  # fmt: skip
def test_addresses(address, host, path, web):
    remote = parse(address)
    assert (remote.host, remote.path, remote.web) == (host, path, web)


@pytest.mark.parametrize(
    "address", ["", "/srv/git/shop.git", "../shop", "file:///srv/shop", "C:/shop", "https://", "https://host"]
)  # fmt: skip
def test_places_without_a_page(address):
    assert parse(address) is None


@pytest.mark.parametrize(
    ("web", "old", "expected"),
    [
        ("https://github.com/a/b", "v1", "https://github.com/a/b/compare/v1...v2"),
        ("https://github.com/a/b", "", "https://github.com/a/b/releases/tag/v2"),
        ("https://gitlab.example/a/b", "v1", "https://gitlab.example/a/b/-/compare/v1...v2"),
        ("https://gitlab.example/a/b", "", "https://gitlab.example/a/b/-/tags/v2"),
        ("https://bitbucket.org/a/b", "v1", "https://bitbucket.org/a/b/branches/compare/v2%0Dv1"),
        ("https://bitbucket.org/a/b", "", "https://bitbucket.org/a/b/commits/tag/v2"),
        ("", "v1", ""),
    ],
)
def test_comparisons(web, old, expected):
    assert compare_url(web, old, "v2") == expected


@pytest.mark.parametrize("password", ["s3cret", "s3@cret", "s3/cret", "s3'cret", "s3:c@r/et"])
def test_credentials_are_not_shown(password):
    text = f"fatal: unable to access 'https://user:{password}@host/a.git/': no"
    assert redacted(text) == "fatal: unable to access 'https://***@host/a.git/': no"


def test_what_holds_no_credentials_is_left_as_it_is():
    text = "see https://host/a.git or write to ops@host"
    assert redacted(text) == text
