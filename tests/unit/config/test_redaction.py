import base64
import json
import re
import shlex
import threading
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.config.environments import learn_process
from towline.config.redaction import KNOWN, MASK, Redactor
from towline.config.secrets import is_secret_name, missing_or_placeholder, placeholder

secrets = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=8, max_size=40
).filter(lambda text: not placeholder(text) and text.strip() == text and len(set(text)) > 3)
around = st.text(st.sampled_from("xyz =/&\n"), max_size=10)

FORMS = {
    "plain": str,
    "quoted": lambda s: quote(s, safe=""),
    "quoted path": quote,
    "quoted form": quote_plus,
    "quoted in lower case": lambda s: re.sub("%..", lambda m: m[0].lower(), quote(s, safe="")),
    "json": lambda s: json.dumps(s)[1:-1],
    "json of Go": lambda s: json.dumps(s).translate({ord(c): f"\\u{ord(c):04x}" for c in "<>&"})[
        1:-1
    ],
    "json in json": lambda s: json.dumps(json.dumps(s)[1:-1])[1:-1],
    "compose": lambda s: s.replace("$", "$$"),
    "yaml": lambda s: s.replace("'", "''"),
    "environment file": lambda s: s.replace("'", "\\'"),
    "shell": shlex.quote,
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 url": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "base64 no padding": lambda s: base64.b64encode(s.encode()).decode().rstrip("="),
}


@pytest.mark.parametrize("form", FORMS)
@given(secret=secrets, before=around, after=around)
def test_no_form_of_a_secret_survives(form, secret, before, after):
    written = FORMS[form](secret)
    shown = Redactor({"API_TOKEN": secret}).redact(before + written + after)
    assert MASK in shown
    if form.startswith("base64"):
        core = written.rstrip("=")[2:-2]
        assert core not in shown
    else:
        assert secret not in shown.replace(MASK, "")


@given(secret=secrets, before=st.binary(max_size=7), after=st.binary(max_size=7))
def test_nor_inside_a_longer_base64_text(secret, before, after):
    text = base64.b64encode(before + secret.encode() + after).decode()
    assert MASK in Redactor({"API_TOKEN": secret}).redact(text)


def test_structures_are_masked_throughout():
    masked = Redactor({"DB_PASSWORD": "s3cret-value"}).redact_data(
        {"s3cret-value": ["a s3cret-value b", 7, None, {"k": ("s3cret-value",)}]}
    )
    assert "s3cret" not in str(masked)
    assert masked[MASK][1] == 7


def test_a_password_inside_a_url_is_masked_whatever_its_variable():
    redactor = Redactor({"DATABASE_URL": "postgresql://user:p%40ss-w0rd@db/x"})
    assert redactor.redact("login p@ss-w0rd or p%40ss-w0rd") == f"login {MASK} or {MASK}"
    assert redactor.redact("postgresql on db/x") == "postgresql on db/x"


@pytest.mark.parametrize(
    "value",
    [
        "amqp://u:s3cret/w0rd@h", "http://u:s3cret?w0rd@h/", "http://u:s3cret#w0rd@h/",
        "redis://u:other-pw@a:1,redis://:s3cret/w0rd@b:2", "host=h password=s3cret/w0rd dbname=d",
        "jdbc:postgresql://h/d?user=u&password=s3cret/w0rd", "Server=h;Password='s3cret/w0rd';",
    ],
)  # fmt: skip
def test_passwords_are_found_wherever_a_connection_string_has_them(value):
    value = value.replace("s3cret?w0rd", "s3cret/w0rd").replace("s3cret#w0rd", "s3cret/w0rd")
    assert Redactor({"DATABASE_URL": value}).redact("no s3cret/w0rd left") == f"no {MASK} left"


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("REPO", "https://x9k2m4p6q8r0@git.example/repo", "x9k2m4p6q8r0"),
        ("BLOB", "https://b.example/c?sv=2022&sig=a1B2c3D4e5%3D&se=9", "a1B2c3D4e5%3D"),
        ("SLACK_WEBHOOK_URL", "https://h.example/services/T0/B1/x2y3", "services/T0/B1/x2y3"),
    ],
)
def test_tokens_inside_of_addresses_are_secrets(name, value, secret):
    assert Redactor({name: value}).redact(f"to {secret} now") == f"to {MASK} now"


def test_a_name_that_says_nothing_can_be_declared_a_secret():
    redactor = Redactor()
    redactor.learn({"LEGACY_PIN": "994417-x"}, names=["LEGACY_PIN"])
    assert redactor.redact("pin 994417-x") == f"pin {MASK}"


def test_a_port_is_no_password():
    assert Redactor({"A_URL": "http://h:8080/users/@me"}).redact("8080/users/") == "8080/users/"


def test_logs_come_in_lines_and_so_do_keys():
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEF\n-----END PRIVATE KEY-----\n"
    redactor = Redactor({"TLS_KEY": key})
    assert [redactor.redact(line) for line in key.splitlines()][1:3] == [MASK, MASK]
    assert redactor.redact(key) == MASK


def test_secrets_of_several_files_are_masked():
    assert Redactor({"A_TOKEN": "first-one"}, {"A_TOKEN": "second-one"}).redact(
        "first-one second-one"
    ) == (f"{MASK} {MASK}")


def test_a_placeholder_is_shown_unless_it_might_be_a_secret():
    redactor = Redactor({"A_TOKEN": "change-me", "B_TOKEN": "<x9-c7-yd0k>"})
    assert redactor.redact("change-me <x9-c7-yd0k>") == f"change-me {MASK}"


def test_the_longer_secret_is_masked_whole():
    redactor = Redactor({"A_TOKEN": "abcdef-one", "B_TOKEN": "abcdef-one-two"})
    assert redactor.redact("abcdef-one-two") == MASK


def test_short_values_and_plain_settings_are_left():
    redactor = Redactor({"API_KEY": "dev", "LOG_LEVEL": "debugging", "B_SECRET": ""})
    assert redactor.redact("dev debugging") == "dev debugging"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("POSTGRES_PASSWORD", True), ("apiToken", True), ("SECRET_KEY_BASE", True),
        ("AWS_SECRET_ACCESS_KEY", True), ("API_KEY_2", True), ("LOG_LEVEL", False),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", False), ("AUTH_ENABLED", False), ("PUBLIC_KEY", False),
        ("PGPASSWORD", True), ("API_KEYS", True), ("AUTHTOKEN", True), ("JWT_SIGNINGKEY", True),
        ("MAX_TOKENS", False), ("HTPASSWD", False), ("TOKENIZER", False), ("MONKEY", False),
        ("KEYBOARD", False), ("AWS_ACCESS_KEY_ID", False), ("SECRETS_FILE", False),
        ("SLACK_WEBHOOK_URL", True), ("JWT", True), ("COOKIE", True), ("DB_PASSWORD2", True),
        ("PUBLIC_API_SECRET", True), ("STRIPE_SK", True), ("SESSION_COOKIE", True),
        ("JWT_ISSUER", False), ("COOKIE_SECURE", False), ("NEXT_PUBLIC_API_KEY", False),
        ("MIN_PASSWORD_LENGTH", False), ("BASE_URL", False),
    ],
)  # fmt: skip
def test_names_tell_what_is_secret(name, secret):
    assert is_secret_name(name) is secret


@pytest.mark.parametrize(
    "value",
    [
        "",
        "change-me",
        "CHANGEME",
        "<password>",
        "xxxx",
        "your-key",
        "change-me-in-production",
        "changeme123",
        "replace_with_real_key",
        "SET_ME",
        "tbd",
        "{{token}}",
    ],
)
def test_placeholders_are_known(value):
    assert placeholder(value)


@pytest.mark.parametrize("value", ["a8f5f167f44f", "newsroom", "none", "changed-my-mind-9"])
def test_real_values_are_no_placeholders(value):
    assert not placeholder(value)


def test_what_is_missing_is_said_with_its_file():
    example = {"API_TOKEN": "change-me", "HTTP_PORT": "8080", "EXTRA": "", "URL": "change-me"}
    values = {"URL": "change-me", "DB_SECRET": "abc"}
    found = {
        finding.message: finding for finding in missing_or_placeholder(values, example, ".env.prod")
    }
    assert found["API_TOKEN is not set"].severity == "error"
    assert found["HTTP_PORT is not set"].severity == "warning"
    assert found["URL still holds a placeholder"].severity == "error"
    assert any("DB_SECRET" in m and "masked" in m for m in found)
    assert found["EXTRA is not set"].severity == "warning"
    assert all(".env.prod" in finding.remedy for finding in found.values())


def elsewhere(act, *arguments):
    thread = threading.Thread(target=act, args=arguments)
    thread.start()
    thread.join()


def test_a_pattern_that_another_thread_drops_is_still_used():
    class Dropped(Redactor):
        """Whoever looks at the pattern is the last one to see it."""

        kept, dropping = None, False

        @property
        def _pattern(self):
            seen = self.kept
            if self.dropping:
                self.kept = None
            return seen

        @_pattern.setter
        def _pattern(self, pattern):
            self.kept = pattern

    redactor = Dropped({"TOKEN": "s3cret-value"})
    assert redactor.redact("a s3cret-value") == f"a {MASK}"
    redactor.dropping = True
    assert redactor.redact("a s3cret-value") == f"a {MASK}"
    assert redactor.kept is None


def test_what_is_learnt_while_others_are_masked_is_masked_afterwards():
    class Overtaken(Redactor):
        def _compiled(self):
            pattern = super()._compiled()
            elsewhere(self.learn, {"TOKEN": "an0ther-value"})
            return pattern

    redactor = Overtaken({"TOKEN": "s3cret-value"})
    assert redactor.redact("s3cret-value") == MASK
    assert redactor.redact("an0ther-value") == MASK


@pytest.fixture
def known():
    KNOWN.forget()
    yield KNOWN
    KNOWN.forget()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CI_DEPLOY_TOKEN", "/9j4AAQSkZJRg+AB"),
        ("DB_PASSWORD", "~tilde-and-words"),
        ("API_KEY", "/" + "k3y" * 200),
        ("SLACK_WEBHOOK_URL", "https://chat.example/in/abcdef"),
        ("SECRET_KEY_BASE", "0123456789abcdef"),
    ],
)
def test_a_secret_of_this_process_is_masked_whatever_it_begins_with(known, name, value):
    learn_process({name: value})
    assert known.redact(f"it is {value}!") == f"it is {MASK}!"


def test_a_password_in_a_url_of_this_process_is_masked(known):
    learn_process({"AUTH_BACKEND": "ldap://me:tr0ub4dor@ldap.example"})
    assert "tr0ub4dor" not in known.redact("said: tr0ub4dor")


def test_settings_and_paths_of_this_process_are_shown(known, tmp_path, monkeypatch):
    (tmp_path / "id_ed25519").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = {
        "AUTH_PROVIDER": "github", "KEY_SOURCE": "vault-production", "PASSWORD": "letmein",
        "PWD": "/gone/shop1", "OLDPWD": "/gone/shop2", "SSH_AUTH_SOCK": "/gone/agent.12345",
        "SECRETS_DIR": "/gone/secrets1", "SSH_KEY": str(tmp_path / "id_ed25519"),
        "DEPLOY_KEY": "~/id_ed25519",
    }  # fmt: skip
    learn_process(settings)
    for value in settings.values():
        assert known.redact(f"it is {value}!") == f"it is {value}!"
