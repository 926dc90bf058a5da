"""The formats as the platform that they come from shows them."""

import json

TASKS = {
    "prepare_data": {
        "program": "com.ebay.oss.krylov.workflow.JvmMainProgram",
        "parameters": {"className": "com.ebay.krylov.helloai.HelloWorld"},
    },
    "train_model": {
        "program": "com.ebay.oss.krylov.workflow.PythonProgram",
        "parameters": {"file": "helloai-python/helloai/helloworld.py", "args": []},
    },
}
FLOWS = {"sample_flow": {"prepare_data": ["train_model"], "train_model": ["output"]}}
APPLICATION = {"tasks": TASKS, "flows": FLOWS, "flow": "sample_flow"}
RUN = {
    "jobName": "job-sample",
    "artifact": "myartifact",
    "artifactTag": "latest",
    "mlApplication": "com.ebay.oss.krylov.workflow.app.GenericMLApplication",
    "applicationParameters": {},
    "tasks": {
        "prepare_data": {"taskParameters": {"prepare_data_parameter_key": "prepare_data_parameter_value"}}
    },
}


def write(folder, application=APPLICATION, **files):
    """Write an application and, by format, what stands beside it."""
    folder.mkdir(exist_ok=True, parents=True)
    for name, content in {"mlapplication": application, **files}.items():
        text = content if isinstance(content, str) else json.dumps(content, indent=2)
        (folder / f"{name}.json").write_text(text)
    return folder
