"""Commands of an application's own."""

PROGRAM = """
import click
import faust_core as faust
app = faust.App("shop", broker="memory://")
orders = app.topic("orders")

@app.command(click.argument("who"), click.option("--times", type=int, default=1))
async def greet(self, who, times):
    '''Say hello.

    More often on demand.
    '''
    for _ in range(times):
        self.say(f"hello {who} from {self.app.id}")
    self.carp("done")

@app.command
def count_up():
    print("one, two")

@app.command()
async def sends():
    await app.create_topics([orders.spec("orders", 1)])
    await orders.send(value=1)
    print("sent")

@app.command()
async def fails():
    raise ValueError("no luck")
"""


def test_a_command_gets_its_arguments_and_the_application(faust, module):
    name = module(PROGRAM)
    done = faust("-A", name, "greet", "you", "--times", "2")
    assert (done.exit_code, done.stdout) == (0, "hello you from shop\n" * 2)
    assert done.stderr == "done\n"
    assert faust("greet", "-A", name, "me").stdout == "hello me from shop\n"


def test_a_command_may_be_a_plain_function_and_may_send(faust, module):
    name = module(PROGRAM)
    assert faust("-A", name, "count-up").stdout == "one, two\n"
    assert faust("-A", name, "sends").stdout == "sent\n"


def test_help_shows_what_a_command_takes(faust, module):
    text = faust("-A", module(PROGRAM), "greet", "--help").stdout
    assert "Say hello." in text
    assert "--times INTEGER" in text


def test_what_a_command_raises_is_one_line(faust, module):
    done = faust("-A", module(PROGRAM), "fails")
    assert done.exit_code == 1
    assert "Error: command fails: ValueError: no luck" in done.stderr


def test_a_command_that_is_not_there_is_named_with_the_closest(faust, module):
    name = module(PROGRAM)
    assert "did you mean 'greet'?" in faust("-A", name, "gret").stderr
    assert "did you mean 'worker'?" in faust("-A", name, "workr").stderr
    assert "no command 'greet'" in faust("greet").stderr


def test_the_applications_own_program_lists_its_commands(start, module, folder):
    name = module(PROGRAM + "\napp.main()\n")
    program = start(f"{name}.py", "--help")
    assert program.code() == 0
    assert "Commands of this application" in program.stdout
    assert "Say hello." in program.stdout
