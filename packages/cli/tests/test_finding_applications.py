"""What `-A` may say, and what is said about it when it is wrong."""

import pytest

from faust_cli.apps import broker_urls, find_app, set_datadir, without_secrets
from faust_cli.failures import CommandFailed
from faust_core.app import App

APP = "import faust_core as faust\n{} = faust.App('found', broker='memory://')\n"


def test_a_module_is_enough_where_the_application_is_called_app(module):
    assert find_app(module(APP.format("app"))).id == "found"


def test_an_attribute_stands_behind_a_colon(module):
    name = module(APP.format("shop") + "class holder:\n    inner = shop\n")
    assert find_app(f"{name}:shop").id == "found"
    assert find_app(f"{name}:holder.inner").id == "found"


def test_of_a_package_the_module_app_is_tried(folder):
    package = folder / "package_with_app"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "app.py").write_text(APP.format("app"))
    assert find_app("package_with_app").id == "found"


def complaint(where: str | None, *, debug: bool = False) -> str:
    with pytest.raises(CommandFailed) as caught:
        find_app(where, debug=debug)
    return caught.value.message


def test_no_application_at_all(folder):
    assert "which application? Say -A MODULE[:ATTR]" in complaint(None)


def test_a_module_that_does_not_exist(folder):
    assert complaint("no_such_module") == (
        f"-A no_such_module: there is no module 'no_such_module' in {folder}, nor is one installed"
    )


def test_an_attribute_written_with_a_dot(module):
    name = module(APP.format("app"))
    assert complaint(f"{name}.app").endswith(f"if 'app' is an attribute, say -A {name}:app")


def test_a_file_instead_of_a_module(folder):
    assert "name a module, as `import` does" in complaint("shop/orders.py")


def test_an_attribute_that_is_missing_where_there_is_an_application(module):
    name = module(APP.format("shop"))
    assert complaint(name) == f"-A {name}: module {name} has no 'app'; did you mean -A {name}:shop?"


def test_an_attribute_that_is_missing_where_there_is_none(module):
    assert "and nothing in it is an App" in complaint(module(""))


def test_an_attribute_that_is_no_application(module):
    name = module("app = 3")
    assert complaint(name) == f"-A {name}: {name}:app is no App, but a int"


def test_an_import_that_raises_is_shown_by_its_last_lines(module):
    name = module("def broken():\n    return 1 / 0\n\nbroken()\n")
    lines = complaint(name).splitlines()
    assert lines[0] == f"-A {name}: importing {name} failed:"
    assert "return 1 / 0" in "\n".join(lines)
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert "importlib" not in "\n".join(lines)


def test_a_module_that_the_application_misses_is_not_taken_for_the_application(module):
    name = module("import not_installed_anywhere\n")
    lines = complaint(name).splitlines()
    assert lines[0] == f"-A {name}: importing {name} failed:"
    assert lines[-1] == "ModuleNotFoundError: No module named 'not_installed_anywhere'"


def test_a_wrong_setting_is_shown_at_the_line_that_has_it(module):
    name = module("import faust_core as faust\napp = faust.App('x', brokr='memory://')\n")
    lines = complaint(name).splitlines()
    assert f'{name}.py", line 2' in lines[1]
    assert "did you mean 'broker'?" in lines[-1]
    assert "faust_core/" not in "\n".join(lines)


def test_the_data_directory_moves_with_the_tables_in_it(tmp_path):
    app = App("shop", broker="memory://", version=2)
    set_datadir(app, tmp_path / "{conf.id}")
    assert app.conf.datadir == tmp_path / "shop-v2"
    assert app.conf.tabledir == tmp_path / "shop-v2" / "v2" / "tables"
    assert "datadir" in app.conf.explicit


def test_tables_elsewhere_stay_there(tmp_path):
    app = App("shop", broker="memory://", tabledir=str(tmp_path / "tables"))
    set_datadir(app, tmp_path / "data", explicit=False)
    assert app.conf.tabledir == tmp_path / "tables"
    assert "datadir" not in app.conf.explicit


def test_the_option_beats_settings_and_environment(faust, module, folder, monkeypatch):
    monkeypatch.setenv("APP_DATADIR", "/from/the/environment")
    name = module(
        """
        import faust_core as faust
        app = faust.App("shop", broker="memory://", datadir="from-the-program")

        @app.on_worker_init.connect
        def stop(app):
            raise SystemExit(f"state in {app.conf.datadir}")
        """
    )
    done = faust("-A", name, "-D", "given", "worker")
    assert done.exception is not None
    assert str(done.exception) == f"state in {folder / 'given'}"


def test_secrets_in_urls_are_not_shown():
    assert without_secrets("redis://me:secret@host:1/0?password=x") == "redis://host:1/0"
    app = App("shop", broker="kafka://me:secret@a:1;kafka://b:2")
    assert broker_urls(app) == "kafka://a:1;kafka://b:2"
