"""What every command does with an application before it uses it."""

AGENTS = """
from {name}.main import app

@app.agent(name="found")
async def found(stream):
    async for _ in stream:
        pass
"""


def test_commands_see_what_autodiscover_finds(faust, folder):
    package = folder / "discovered_shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "main.py").write_text(
        "import faust_core\napp = faust_core.App('s', autodiscover=True, origin='discovered_shop', broker='memory://')\n"
    )
    (package / "agents.py").write_text(AGENTS.format(name="discovered_shop"))
    done = faust("-A", "discovered_shop.main", "agents", "--json")
    assert done.exit_code == 0, done.output
    assert "found" in done.output


def test_a_module_that_cannot_be_imported_is_said_with_its_place(faust, folder, module):
    broken = module("raise RuntimeError('of mine')\n")
    name = module(f"import faust_core\napp = faust_core.App('s', autodiscover=['{broken}'], broker='memory://')\n")
    done = faust("-A", name, "agents")
    assert done.exit_code == 1
    assert f'{broken}.py", line 1' in done.stderr
    assert done.stderr.rstrip().endswith("RuntimeError: of mine")


def test_autodiscover_without_origin_begins_with_the_module_of_the_command_line(faust, module):
    name = module("import faust_core\napp = faust_core.App('s', autodiscover=True, broker='memory://')\n")
    assert faust("-A", name, "agents").exit_code == 0


def test_settings_are_final_before_a_command_uses_them(faust, module, folder):
    name = module("""
        import faust_core
        app = faust_core.App('s')

        @app.on_configured.connect
        def configure(app, conf, **kwargs):
            app.kept = conf
            conf.broker = 'memory://configured'

        @app.command()
        async def where(self):
            self.say(app.conf.broker[0])
            self.say(app.kept.datadir)
    """)
    done = faust("-A", name, "-D", "here", "where")
    assert done.output.split() == ["memory://configured", str(folder / "here")]
