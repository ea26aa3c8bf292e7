"""What looks like a secret is masked wherever it stands, also where one quick look decides."""

import pytest

from towline.config.secret_shapes import mask_shapes

WORD = "a8Kd02mQx71LpZ93"
SHAPES = [
    *(f"{kind}_{mode}_{WORD}" for kind in ("sk", "rk") for mode in ("live", "test")),
    *(f"gh{kind}_{WORD}" for kind in "opusr"),
    *(f"github_pat_{WORD}{WORD}", f"glpat-{WORD}"),
    *(f"xox{kind}-{WORD}" for kind in "abeprs"),
    f"eyJ{WORD}.eyJ{WORD}.{WORD}",
    *(f"{word} {WORD}" for word in ("Bearer", "bearer", "BEARER", "Basic", "basic", "BASIC")),
    *(f"hooks.slack.com/{kind}/{WORD}" for kind in ("services", "workflows")),
    *(f"{host}.com/api/webhooks/{WORD}" for host in ("discord", "discordapp")),
    *(f"{scheme}://ann:{WORD}@db" for scheme in ("postgres", "https")),
    *(f"{scheme}://{WORD}@db/" for scheme in ("http", "https", "git", "ws", "wss")),
    *(f"{sign}token={WORD}" for sign in "?&;"),
    f"-----BEGIN RSA PRIVATE KEY-----\n{WORD}\n-----END",
]


@pytest.mark.parametrize("text", SHAPES)
def test_a_secret_is_masked_by_its_shape(text):
    assert WORD not in mask_shapes(f"said {text}")
