import pytest

from towline.scaffold.detection import detect

MAKES_FASTAPI = "from fastapi import FastAPI\napi: FastAPI = FastAPI(title='x')\n"
MAKES_FLASK = "import flask\napp = flask.Flask(__name__)\n"
WSGI = "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"


def project(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return detect(root)


@pytest.mark.parametrize(
    ("files", "copies", "command"),
    [
        (
            {"src/shop/web.py": MAKES_FASTAPI},
            {"src": "src"},
            "uvicorn shop.web:api --host 0.0.0.0 --port 8000",
        ),
        (
            {"app/main.py": MAKES_FASTAPI, "tests/test_main.py": "app = FastAPI()\n"},
            {"app": "src/app"},
            "uvicorn app.main:api --host 0.0.0.0 --port 8000",
        ),
        (
            {"main.py": MAKES_FLASK, "helpers.py": "", "setup.py": "", "tasks.py": ""},
            {"helpers.py": "src/helpers.py", "main.py": "src/main.py"},
            "gunicorn main:app --bind 0.0.0.0:8000",
        ),
        (
            {"manage.py": "", "site_/wsgi.py": WSGI, "shop/models.py": ""},
            {"manage.py": "src/manage.py", "shop": "src/shop", "site_": "src/site_"},
            "gunicorn site_.wsgi:application --bind 0.0.0.0:8000",
        ),
    ],
    ids=["src layout", "app folder", "flask module", "django"],
)
def test_code_and_start_command(tmp_path, files, copies, command):
    found = project(tmp_path, files)
    assert dict(found.copies) == copies
    assert " ".join(found.command(8000)) == command


def test_an_application_in_main_wins_over_one_beside_it(tmp_path):
    found = project(tmp_path, {"app/main.py": MAKES_FASTAPI, "app/admin.py": MAKES_FASTAPI})
    assert found.application == "app.main:api"


def test_two_equal_candidates_are_left_to_a_person(tmp_path):
    files = {"one/web.py": MAKES_FASTAPI, "two/web.py": MAKES_FASTAPI}
    assert project(tmp_path, files).command(8000) == []
    assert detect(tmp_path, package="two").application == "two.web:api"


def test_a_factory_is_not_guessed(tmp_path):
    text = "def create_app():\n    app = FastAPI()\n    return app\n"
    assert project(tmp_path, {"app/main.py": text}).command(8000) == []


@pytest.mark.parametrize(
    ("requirements", "server"),
    [
        ("fastapi==0.115\n", "uvicorn"),
        ("fastapi\nuvicorn[standard]>=0.30 ; python_version > '3'\n", ""),
        ("fastapi[standard]\n", ""),
        ("Uvicorn==0.30\n", ""),
        ("uvicorn-worker\n", "uvicorn"),
    ],
)
def test_a_server_is_added_only_when_the_requirements_lack_it(tmp_path, requirements, server):
    files = {"app/main.py": MAKES_FASTAPI, "requirements.txt": requirements}
    assert project(tmp_path, files).server == server


def test_pyproject_lists_dependencies_and_version(tmp_path):
    text = '[project]\nname = "shop"\nversion = "1.0.0"\ndependencies = ["uvicorn"]\n'
    found = project(tmp_path, {"src/shop/main.py": MAKES_FASTAPI, "pyproject.toml": text})
    assert found.requirements == "pyproject.toml"
    assert found.version_files == ("pyproject.toml",)
    assert found.server == ""
    assert dict(found.copies) == {"src": "src", "pyproject.toml": "pyproject.toml"}


@pytest.mark.parametrize(
    "text", ["[tool.poetry]\nname = 'x'\n", "not toml [", "project = 3\n", "[project]\nname='x'\n"]
)
def test_a_pyproject_without_dependencies_is_no_requirements_file(tmp_path, text):
    found = project(tmp_path, {"main.py": MAKES_FASTAPI, "pyproject.toml": text})
    assert found.requirements == ""
    assert found.version_files == ()


@pytest.mark.parametrize(
    ("code", "health"),
    [
        ('@app.get("/health")', "/health"),
        ("path('/healthz/', view)", "/healthz/"),
        ("path('healthz/', view)", "/healthz/"),
        ("path('shealthz/', view)", ""),
        ('"/health/live" "/health/overall"', "/health/overall"),
        ('"/healthy-food"', ""),
    ],
)
def test_health_paths(tmp_path, code, health):
    assert project(tmp_path, {"app/main.py": MAKES_FASTAPI + code}).health == health


def test_where_the_health_path_was_found_is_told(tmp_path):
    found = project(tmp_path, {"app/main.py": MAKES_FASTAPI, "app/web.py": "\n\nx = '/health'\n"})
    assert found.health_at == "app/web.py:3"


FILES_BESIDE = {
    "templates/base.html": "x",
    "static/site.css": "x",
    "media/photo.jpg": "x",
    "CHANGELOG.md": "# Changes",
    "NOTES.md": "",
    "words.txt": "a",
    "empty/keep/": "",
    ".hidden/x": "",
}


def beside(root, code):
    for name, text in {**code, **FILES_BESIDE}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_text(text)
    return detect(root, ignores=lambda path: path.name == "static")


def test_what_the_code_reads_is_copied_beside_it(tmp_path):
    code = "TEXT = open('CHANGELOG.md').read()\nWORDS = BASE / \"words.txt\"\n"
    found = beside(tmp_path, {"shop/main.py": MAKES_FASTAPI + code})
    assert dict(found.copies) == {
        "shop": "src/shop",
        "CHANGELOG.md": "src/CHANGELOG.md",
        "templates": "src/templates",
        "words.txt": "src/words.txt",
    }
    assert found.left == ("media/",)


def test_beside_a_src_folder_things_stay_beside_it(tmp_path):
    found = beside(tmp_path, {"src/shop/main.py": MAKES_FASTAPI})
    assert dict(found.copies) == {"src": "src", "templates": "templates"}
    assert found.left == ("media/", "words.txt")


def test_an_empty_folder(tmp_path):
    found = detect(tmp_path)
    assert not found.copies
    assert found.command(8000) == []
