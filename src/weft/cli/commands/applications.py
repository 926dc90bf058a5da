"""``weft project create`` and ``build``, ``weft job …``: applications from a folder to a finished job."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from weft.cli import options as opt
from weft.cli.app import app
from weft.cli.output import print_error, print_json, print_notice, print_result
from weft.project import ProjectFolder, jobs_view
from weft.project.application import (
    Application,
    Job,
    create_project,
    find_job,
    follow_logs,
    job_logs,
    json_schema,
    parse_assignments,
    parse_uses,
    pause_job,
    resume_job,
    serve_jobs,
    stop_job,
    wait_for_job,
)

project_app = typer.Typer(help="Make, check and build an application.", no_args_is_help=True)
job_app = typer.Typer(help="Run the flows of an application.", no_args_is_help=True)
app.add_typer(project_app, name="project")
app.add_typer(job_app, name="job")

Wait = Annotated[bool, typer.Option("--wait", help="Wait until a submitted job has ended.")]
JobName = Annotated[str, typer.Argument(help="Name of a job, its start, or 'latest'.", metavar="JOB")]
Task = Annotated[str | None, typer.Option("--task", "-t", help="Only this task.")]


@project_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Folder to make; its name is the project's.", metavar="NAME")],
    template: Annotated[
        str,
        typer.Option(
            "--template",
            help="train (fits and registers a model), schedule (a predictive query, again and again) or "
            "distributed (two workers).",
        ),
    ] = "train",
    as_json: opt.Json = False,
) -> None:
    """Make a project with a working example.

    It can be built and run as it is.

    Example: weft project create hello
    """
    files = create_project(name, template=template)
    if as_json:
        print_json({"project": name, "template": template, "files": [str(f) for f in files]})
        return
    print_result(f"Made {name} with {len(files)} files. Next: cd {name}, weft project build, weft job run.")


@project_app.command("build")
def build(
    lock: Annotated[bool, typer.Option("--lock", help="Choose the versions of dependencies anew.")] = False,
    spec: opt.Specification = None,
    deployment: opt.Deployment = None,
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Check the files, lock dependencies, compute the digest.

    The same sources have the same digest on every machine.

    Example: weft project build --json
    """
    built = Application(project or ".", run=spec, deployment=deployment).build(lock=lock)
    print_json(built.to_json()) if as_json else print_result(built.text())


@project_app.command("schema")
def schema(
    name: Annotated[
        str, typer.Argument(help="mlapplication, artifact, run or deployment.", metavar="FORMAT")
    ],
    as_json: opt.Json = False,
) -> None:
    """Print the JSON Schema of a file format, for editors.

    Example: weft project schema mlapplication
    """
    print_json(json_schema(name))


@job_app.command("run")
def run(
    flow: Annotated[
        str | None, typer.Option("--flow", help="Flow; default: the one the files choose.")
    ] = None,
    parameter: opt.Parameters = None,
    spec: opt.Specification = None,
    deployment: opt.Deployment = None,
    backend: opt.BackendName = "inline",
    as_json: opt.Json = False,
    project: opt.Here = None,
    memory_limit: opt.MemoryLimit = None,
    threads: opt.Threads = None,
) -> None:
    """Run a flow here.

    What has run before with the same sources, parameters and inputs is not run again; each task says why it
    ran or did not.

    Example: weft job run -p train.depth=3
    """
    given = parse_assignments(parameter or ())
    application = _application(project, spec, deployment, memory_limit, threads)
    _show(application.run(flow=flow, parameters=given, backend=backend), as_json)


@job_app.command("submit")
def submit(
    backend: opt.BackendName = "process",
    flow: opt.FlowName = None,
    parameter: opt.Parameters = None,
    spec: opt.Specification = None,
    deployment: opt.Deployment = None,
    use: opt.Uses = None,
    priority: Annotated[
        int,
        typer.Option("--priority", min=-1000, max=1000, help="The larger goes first among jobs that wait."),
    ] = 0,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Tasks of the job that run at one time.")
    ] = None,
    wait: Wait = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be submitted.")] = False,
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Ask for a flow as a job, and return at once.

    A controller carries it out: a process that is started where none is, outlives this command, and ends when
    no job is left. When it is killed, the next one goes on.

    Example: weft job submit -p train.depth=3
    """
    given = parse_assignments(parameter or ())
    application = _application(project, spec, deployment, None, None)
    if not dry_run:
        more: dict[str, Any] = {"uses": parse_uses(use or ()), "priority": priority, "workers": workers}
        job = application.submit(flow=flow, parameters=given, backend=backend, **more)
        _show(_waited(application, job, wait), as_json)
        return
    rendered = application.render(backend, flow=flow, parameters=given)
    if as_json:
        print_json({"backend": backend, "nodes": rendered})
        return
    for task, text in rendered.items():
        print_result(f"# {task}\n{text}")


@job_app.command("serve")
def serve(
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End when no job is left to carry out.")
    ] = False,
    as_json: opt.Json = False,
    project: opt.Here = None,
    memory_limit: opt.MemoryLimit = None,
    threads: opt.Threads = None,
) -> None:
    """Be a controller of submitted jobs: carry them out until Ctrl-C.

    What another left behind when it was killed is taken over; what has finished is not repeated.

    Example: weft job serve --until-idle
    """
    folder = ProjectFolder(project or ".", memory_limit=memory_limit, threads=threads)
    jobs = serve_jobs(folder, until_idle=until_idle)
    if as_json:
        print_json({"jobs": list(jobs)})
        return
    print_result(f"No job is open any more. Taken up here: {', '.join(jobs) or 'none'}.")


@job_app.command("list")
def list_jobs(as_json: opt.Json = False, project: opt.Here = None) -> None:
    """List the jobs, newest first, and how they are.

    Example: weft job list
    """
    view = jobs_view(ProjectFolder(project or "."))
    print_json(view.plain) if as_json else print_result(view.text)


@job_app.command("status")
def status(job: JobName = "latest", as_json: opt.Json = False, project: opt.Here = None) -> None:
    """Show a job: its tasks, and why they ran or did not.

    With --json also its parameters, and where each was said.

    Example: weft job status
    """
    found = find_job(ProjectFolder(project or "."), job)
    if as_json:
        print_json(found.details())
        return
    print_result(found.text())
    if found.error is not None:
        print_result(str(found.error))


@job_app.command("logs")
def logs(
    job: JobName = "latest",
    task: Task = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Show what the tasks of a job printed.

    Example: weft job logs latest --task train
    """
    folder = ProjectFolder(project or ".")
    if follow and not as_json:
        for text in follow_logs(folder, job, task):
            print_result(text)
        return
    found = job_logs(folder, job, task)
    if as_json:
        print_json({"logs": found})
        return
    for name, text in found.items():
        print_result(text if task else f"== {name}\n{text}")


@job_app.command("stop")
def stop(job: JobName = "latest", as_json: opt.Json = False, project: opt.Here = None) -> None:
    """Stop a job with everything that its tasks started.

    Example: weft job stop
    """
    stopped = stop_job(ProjectFolder(project or "."), job)
    print_json(stopped.to_json()) if as_json else print_result(stopped.text())


@job_app.command("pause")
def pause(job: JobName = "latest", as_json: opt.Json = False, project: opt.Here = None) -> None:
    """Let a submitted job stand still.

    Tasks at work are stopped, and begin again when it goes on; what has finished stays.

    Example: weft job pause
    """
    paused = pause_job(ProjectFolder(project or "."), job)
    print_json(paused.to_json()) if as_json else print_result(paused.text())


@job_app.command("resume")
def resume(job: JobName = "latest", as_json: opt.Json = False, project: opt.Here = None) -> None:
    """Let a job go on that was paused.

    Example: weft job resume
    """
    resumed = resume_job(ProjectFolder(project or "."), job)
    print_json(resumed.to_json()) if as_json else print_result(resumed.text())


@job_app.command("retry")
def retry(
    job: JobName = "latest", task: Task = None, as_json: opt.Json = False, project: opt.Here = None
) -> None:
    """Take up a job that did not succeed.

    What is finished is not repeated; with --task that task and all that follow it are. One that was submitted
    goes on in its controller, and the command returns at once.

    Example: weft job retry latest --task train
    """
    _show(Application(project or ".").retry(job, task), as_json)


@job_app.command("rerun")
def rerun(
    job: JobName = "latest",
    parameter: opt.Parameters = None,
    wait: Wait = False,
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Run a job again as a new one, with changed parameters.

    Sources and files are those that the job had, also where the project has changed. One that was submitted
    is submitted again.

    Example: weft job rerun latest -p depth=3
    """
    given = parse_assignments(parameter or ())
    application = Application(project or ".")
    _show(_waited(application, application.rerun(job, parameters=given), wait), as_json)


@job_app.command("fork")
def fork(
    job: JobName,
    task: Annotated[str, typer.Argument(help="Task that runs anew, and all that follow it.", metavar="TASK")],
    parameter: opt.Parameters = None,
    wait: Wait = False,
    as_json: opt.Json = False,
    project: opt.Here = None,
) -> None:
    """Run a job again as a new one, from one task on.

    One that was submitted is submitted again.

    Example: weft job fork latest train -p depth=3
    """
    given = parse_assignments(parameter or ())
    application = Application(project or ".")
    _show(_waited(application, application.fork(job, task, parameters=given), wait), as_json)


def _application(
    project: str | None,
    spec: str | None,
    deployment: str | None,
    memory_limit: str | None,
    threads: int | None,
) -> Application:
    folder = ProjectFolder(project or ".", memory_limit=memory_limit, threads=threads)
    return Application(folder, run=spec, deployment=deployment)


def _waited(application: Application, job: Job, wait: bool) -> Job:
    """Return a job once it has ended, if that is wanted and it is on its way."""
    is_open = job.state in ("waiting", "queued", "running")
    return wait_for_job(application.project, job.run) if wait and is_open else job


def _show(job: Job, as_json: bool) -> None:
    """Print a job that has ended, and leave with the exit code of what ended it."""
    print_json(job.to_json()) if as_json else print_result(job.text())
    if job.error is not None:
        print_error(job.error, as_json=False)
        raise typer.Exit(job.error.exit_code)
    if job.state == "cancelled":
        print_notice("The job was stopped. What is finished is kept: weft job retry goes on from there.")
        raise typer.Exit(130)
