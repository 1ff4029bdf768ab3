"""The files for containers agree with each other and with the programs that they start."""

from __future__ import annotations

import configparser
import http.server
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from absl import flags
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from packaging.requirements import Requirement
from packaging.version import Version

from stylegan_tf.cli import export
from stylegan_tf.cli.config_flags import config_from_flags, define_config_flags
from stylegan_tf.serving.client import DEFAULT_BATCH

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
KUBERNETES = sorted((ROOT / "examples" / "kubernetes").glob("*.yaml"))


def load_yaml(text):
    """All documents of a YAML text; skips the test where PyYAML is missing."""
    return list(pytest.importorskip("yaml").safe_load_all(text))


@pytest.fixture(scope="module")
def train_flags():
    """The flags of train.py, without those of the process."""
    values = flags.FlagValues()
    define_config_flags(values)
    return values


def parse(values, arguments):
    """Parses arguments as a program would, which refuses unknown flags."""
    for name in values:
        values[name].unparse()
    assert values(["program", *arguments]) == ["program"]
    return values


# Dockerfile


def stages():
    """The stages of the Dockerfile, by name: a list of (instruction, rest) each, in order."""
    found = {}
    lines = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", DOCKERFILE)).splitlines()
    for line in filter(str.strip, lines):
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            base, _, name = re.match(r"(\S+)( AS (\S+))", rest).groups()
            found[name] = [("FROM", base)]
        elif found:
            found[list(found)[-1]].append((instruction, rest.strip()))
    return found


def inherited(name):
    """The instructions of a stage and of the stages below it."""
    instructions = stages()[name]
    base = instructions[0][1]
    return (inherited(base) if base in stages() else []) + instructions


def test_the_dockerfile_passes_its_linter():
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    found = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_last_target_is_for_gpus():
    assert {"cpu", "gpu"} <= set(stages())
    assert list(stages())[-1] == "gpu"


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_a_target_runs_training_as_a_user_who_is_not_root(target):
    last = dict(inherited(target))
    assert last["USER"] == "1000:1000"  # a number: Kubernetes cannot tell that a name is not root
    assert last["ENTRYPOINT"] == '["python", "/app/train.py"]'  # no shell, which would keep signals to itself
    assert last["STOPSIGNAL"] == "SIGINT"
    assert last["HEALTHCHECK"].endswith('CMD ["python", "-I", "/app/docker/healthcheck.py"]')
    assert inherited(target)[-1] == ("COPY", ". /app")  # last, so that a change of the source changes one layer


def test_what_is_copied_exists():
    for instructions in stages().values():
        for instruction, rest in instructions:
            if instruction != "COPY":
                continue
            source = re.sub(r"--from=\S+ ", "", rest).split()[0]
            stage = re.search(r"--from=(\S+)", rest)
            assert stage[1] in stages() if stage else (ROOT / source).exists()


def test_the_context_holds_what_the_image_needs_and_nothing_secret():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines  # everything is left out but
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert kept == {
        "LICENSE",
        "train.py",
        "export.py",
        "stylegan_tf",
        "docker/cpu.lock",
        "docker/gpu.lock",
        "docker/healthcheck.py",
    }
    assert all((ROOT / path).exists() for path in kept)


# Lock files


def lock(target):
    """Versions by package name."""
    text = (ROOT / "docker" / f"{target}.lock").read_text()
    entries = re.split(r"\n(?=\S)", re.sub(r"(?m)^#.*\n", "", text).strip())
    versions = {}
    for entry in entries:
        name, version = re.match(r"(\S+)==(\S+) \\\n", entry).groups()
        assert "--hash=sha256:" in entry, entry
        versions[name] = version
    return versions


def requirements(*extras):
    """What setup.cfg asks for."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    lines = parser["options"]["install_requires"].split("\n")
    for extra in extras:
        lines += parser["options.extras_require"][extra].split("\n")
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize(("target", "extras"), [("cpu", ["metrics"]), ("gpu", ["metrics", "cuda"])])
def test_lock_files_fulfil_setup_cfg(target, extras):
    versions = lock(target)
    if target == "cpu":
        assert "tensorflow" not in versions
        versions["tensorflow"] = versions["tensorflow-cpu"]
    for requirement in requirements(*extras):
        assert requirement.specifier.contains(versions[requirement.name.lower()]), requirement
    assert any(name.startswith("nvidia-cudnn") for name in versions) == (target == "gpu")


@pytest.mark.parametrize(("name", "safe"), [("pillow", "12.3"), ("onnx", "1.21"), ("onnxruntime", "1.28")])
def test_packages_that_read_files_of_strangers_have_no_faults_that_are_known(name, safe):
    found = [requirement for requirement in requirements("onnx", "test") if requirement.name == name]
    assert found
    for requirement in found:
        [lowest] = [part.version for part in requirement.specifier if part.operator == ">="]
        assert Version(lowest) >= Version(safe)


def test_both_targets_hold_the_same_versions():
    cpu, gpu = lock("cpu"), lock("gpu")
    assert cpu.pop("tensorflow-cpu") == gpu.pop("tensorflow")
    assert cpu == {name: version for name, version in gpu.items() if not name.startswith("nvidia-")}


def test_no_file_names_a_package_index():
    for path in [ROOT / "Dockerfile", ROOT / "compose.yaml", *(ROOT / "docker").iterdir(), *KUBERNETES]:
        if path.is_file():
            assert not re.search(r"pypi\.|index-url[= ]\S*:", path.read_text()), path
    for target in ("cpu", "gpu"):
        assert not re.search(r"(?m)^-", (ROOT / "docker" / f"{target}.lock").read_text())  # no options of pip


# Compose


@pytest.fixture(scope="module")
def compose():
    """compose.yaml with the default of every variable."""
    text = re.sub(r"\$\{(\w+):-([^}]*)\}", r"\2", (ROOT / "compose.yaml").read_text())
    assert "${" not in text
    return load_yaml(text)[0]


def test_compose_starts_programs_with_flags_that_they_have(compose, train_flags):
    services = compose["services"]
    for name in ("train", "train-cpu"):
        assert services[name]["build"]["target"] in stages()
        config_from_flags(parse(train_flags, shlex.split(services[name]["command"])))
    exporting = parse(export.FLAGS, shlex.split(services["export"]["command"]))
    mounts = dict(volume.split(":")[:2][::-1] for volume in services["export"]["volumes"])
    assert exporting.output_dir in mounts
    assert exporting.run_dir == config_from_flags(parse(train_flags, [])).run.run_dir


def test_compose_mounts_what_exists_where_it_is_read(compose):
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            known = source in compose["volumes"] or source == "./exports" or (ROOT / source).exists()
            assert known, volume
    serving = compose["services"]["serving"]
    mounted = {volume.split(":")[1] for volume in serving["volumes"]}
    assert f"/models/{serving['environment']['MODEL_NAME']}" in mounted
    for argument in serving["command"]:
        if "_file=" in argument:
            assert argument.partition("=")[2] in mounted


def test_compose_is_open_to_this_machine_alone(compose):
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_page_is_served_from_what_is_mounted_and_asks_the_model_server(compose):
    config = (ROOT / "docker" / "demo.conf").read_text()
    services = compose["services"]
    mounts = dict(volume.split(":")[:2][::-1] for volume in services["demo"]["volumes"])
    assert (ROOT / mounts[re.search(r"root (\S+);", config)[1]] / "index.html").exists()
    assert re.search(r"alias (\S+)/\$1/assets", config)[1] in mounts
    host, port = re.search(r"set \$model_server http://(\w+):(\d+);", config).groups()
    assert any(published.endswith(f":{port}") for published in services[host]["ports"])
    listening = re.search(r"listen (\d+);", config)[1]
    assert all(published.endswith(f":{listening}") for published in services["demo"]["ports"])


def test_services_have_no_rights_that_they_do_not_need(compose):
    for name, service in compose["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True and service["tmpfs"] == ["/tmp"], name
        user, _, group = service["user"].partition(":")
        assert int(user) > 0 and int(group) > 0, name


def test_images_can_be_named_by_digest(compose):
    written = load_yaml((ROOT / "compose.yaml").read_text())[0]["services"]
    for name, service in written.items():
        assert re.fullmatch(r"\$\{\w*IMAGE:-[^}]+\}", service["image"]), name
        if "build" in service:
            assert service["build"]["args"]["PYTHON_IMAGE"].startswith("${PYTHON_IMAGE:-"), name
            default = compose["services"][name]["build"]["args"]["PYTHON_IMAGE"]
            assert f"\nARG PYTHON_IMAGE={default}\n" in DOCKERFILE


@pytest.mark.slow
def test_serving_is_healthy_when_the_model_is_available(compose):
    """The command of the health check, run against servers that answer as TensorFlow Serving does."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            if self.path == "/v1/models/stylegan":
                self.wfile.write(b'{"model_version_status": [{"version": "1", "state": "%s"}]}' % self.server.state)

        def log_message(self, *arguments):
            pass

    command = compose["services"]["serving"]["healthcheck"]["test"]
    assert command[0] == "CMD"
    for state, healthy in [(b"AVAILABLE", True), (b"LOADING", False)]:
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.state = state
            threading.Thread(target=server.serve_forever, daemon=True).start()
            here = [part.replace("8501", str(server.server_port)) for part in command[1:]]
            assert (subprocess.run(here, timeout=20).returncode == 0) == healthy
            server.shutdown()
    assert subprocess.run(here, timeout=20, stderr=subprocess.DEVNULL).returncode != 0  # nobody is there


# Batching


def batching_parameters():
    """docker/batching.txt, read as the message that TensorFlow Serving documents."""
    file = descriptor_pb2.FileDescriptorProto(
        name="batching.proto", package="test", syntax="proto3", dependency=["google/protobuf/wrappers.proto"]
    )
    message = file.message_type.add(name="BatchingParameters")
    field = descriptor_pb2.FieldDescriptorProto
    for number, name in enumerate(
        ["max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads"], start=1
    ):
        message.field.add(
            name=name,
            number=number,
            label=field.LABEL_OPTIONAL,
            type=field.TYPE_MESSAGE,
            type_name=".google.protobuf.Int64Value",
        )
    message.field.add(name="allowed_batch_sizes", number=6, label=field.LABEL_REPEATED, type=field.TYPE_INT64)
    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    pool.Add(wrappers)
    pool.Add(file)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("test.BatchingParameters"))
    return lambda text: text_format.Parse(text, kind())


def test_batching_parameters():
    parameters = batching_parameters()((ROOT / "docker" / "batching.txt").read_text())
    sizes = list(parameters.allowed_batch_sizes)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == parameters.max_batch_size.value >= DEFAULT_BATCH  # the server refuses larger requests
    assert parameters.num_batch_threads.value > 0


# Kubernetes


@pytest.fixture(scope="module")
def resources():
    """All resources of the examples, by (kind, name)."""
    found = {}
    for path in KUBERNETES:
        for resource in load_yaml(path.read_text()):
            name = resource["metadata"].get("name") or resource["metadata"]["generateName"]
            found[resource["kind"], name] = resource
    return found


def pods(resources):
    """The pods' specs of all jobs and deployments."""
    return [item["spec"]["template"]["spec"] for (kind, _), item in resources.items() if kind in ("Job", "Deployment")]


def test_pods_have_no_rights_that_they_do_not_need(resources):
    assert len(pods(resources)) == 3
    for pod in pods(resources):
        assert pod["automountServiceAccountToken"] is False
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True and security["runAsUser"] > 0 and security["runAsGroup"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_pods_can_write_where_the_image_keeps_what_is_temporary(resources):
    for pod in pods(resources):
        [container] = pod["containers"]
        writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
        assert "/tmp" in writable
        if container["image"].startswith("stylegan-tf"):
            home = re.search(r"HOME=(\S+)", dict(inherited("cpu"))["ENV"])[1]
            assert home in writable


def test_volumes_of_the_cluster_are_declared_and_mounted(resources):
    for pod in pods(resources):
        for volume in pod["volumes"]:
            if "persistentVolumeClaim" in volume:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in resources
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in resources
        mounted = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_jobs_start_programs_with_flags_that_they_have(resources, train_flags):
    [train] = resources["Job", "stylegan-train"]["spec"]["template"]["spec"]["containers"]
    [exporting] = resources["Job", "stylegan-export-"]["spec"]["template"]["spec"]["containers"]
    config = config_from_flags(parse(train_flags, train["args"]))
    exported = parse(export.FLAGS, exporting["args"])
    assert exported.run_dir == config.run.run_dir
    for container, path in [(train, config.run.run_dir), (train, config.data.data), (exporting, exported.output_dir)]:
        mounts = [Path(mount["mountPath"]) for mount in container["volumeMounts"]]
        assert any(mount == Path(path) or mount in Path(path).parents for mount in mounts)


def test_a_job_starts_again_what_was_interrupted_and_gives_up_on_mistakes(resources):
    job = resources["Job", "stylegan-train"]["spec"]
    actions = {}
    for rule in job["podFailurePolicy"]["rules"]:
        for code in rule.get("onExitCodes", {}).get("values", []):
            actions[code] = rule["action"]
    assert actions == {130: "Ignore", 143: "Ignore", 2: "FailJob"}
    assert job["template"]["spec"]["restartPolicy"] == "Never"  # else podFailurePolicy is refused
    assert any(rule.get("onPodConditions") for rule in job["podFailurePolicy"]["rules"])


def test_the_service_finds_the_server(resources, compose):
    deployment, service = resources["Deployment", "stylegan-serving"]["spec"], resources["Service", "stylegan-serving"]
    assert service["spec"]["selector"] == deployment["selector"]["matchLabels"]
    assert service["spec"]["selector"].items() <= deployment["template"]["metadata"]["labels"].items()
    [container] = deployment["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert all(port["targetPort"] in ports for port in service["spec"]["ports"])
    name = next(variable["value"] for variable in container["env"] if variable["name"] == "MODEL_NAME")
    assert container["livenessProbe"]["httpGet"] == {"path": f"/v1/models/{name}", "port": "rest"}
    tested = compose["services"]["serving"]["healthcheck"]["test"]  # what it says is tested above
    for probe in ("startupProbe", "readinessProbe"):
        assert ["CMD", *container[probe]["exec"]["command"]] == tested
    assert any(mount["mountPath"] == f"/models/{name}" for mount in container["volumeMounts"])


def test_the_cluster_batches_as_compose_does(resources, compose):
    files = resources["ConfigMap", "stylegan-serving"]["data"]
    read = batching_parameters()
    assert read(files["batching.txt"]) == read((ROOT / "docker" / "batching.txt").read_text())
    [container] = resources["Deployment", "stylegan-serving"]["spec"]["template"]["spec"]["containers"]
    assert container["args"] == compose["services"]["serving"]["command"]
    for argument in container["args"]:
        if argument.partition("=")[2].startswith("/config/"):
            assert Path(argument.partition("=")[2]).name in files
