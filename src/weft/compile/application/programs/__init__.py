"""The programs that the tasks of an application name: python, shell, jvm, notebook."""

from weft.compile.application.programs.kinds import run_jvm, run_notebook, run_python, run_shell
from weft.compile.application.programs.task import gather_inputs

__all__ = ["gather_inputs", "run_jvm", "run_notebook", "run_python", "run_shell"]
