"""The manifests: Kubernetes' own schemas take them, their parts fit together, and pods have no privilege."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from scheduler.jobfile import load
from tests.processes import ROOT_DIRECTORY

FOLDER = ROOT_DIRECTORY / "deploy/kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
FILES = [*KUSTOMIZATION["resources"], "secrets.example.yaml"]
VERSIONS = ("1.28", "1.34")


def manifests(*names: str) -> list[dict[str, Any]]:
    return [document for name in names for document in yaml.safe_load_all((FOLDER / name).read_text())]


PODS = {
    manifest["metadata"]["name"]: manifest
    for manifest in manifests(*KUSTOMIZATION["resources"])
    if "template" in manifest.get("spec", {})
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", FILES)
def test_kubernetes_takes_the_manifests(name: str, version: str) -> None:
    for manifest in manifests(name):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_jobs_are_without_mistakes() -> None:
    [generated] = KUSTOMIZATION["configMapGenerator"]
    assert len(load([FOLDER / file for file in generated["files"]]).jobs) == 3


@pytest.mark.parametrize("name", PODS)
def test_a_pod_has_no_privilege_and_is_selected(name: str) -> None:
    spec = PODS[name]["spec"]
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"] == PODS[name]["metadata"]["labels"]
    pod = spec["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("name", PODS)
def test_what_a_pod_mounts_and_probes_is_declared(name: str) -> None:
    spec = PODS[name]["spec"]
    pod = spec["template"]["spec"]
    [container] = pod["containers"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    claims = {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes | claims
    ports = {port["name"]: str(port["containerPort"]) for port in container.get("ports", [])}
    probes = [container[probe]["httpGet"] for probe in container if probe.endswith("Probe")]
    assert {probe["port"] for probe in probes} == ports.keys()
    scraped = spec["template"]["metadata"].get("annotations", {}).get("prometheus.io/port")
    assert [scraped] == (list(ports.values()) or [None])


def test_the_secrets_have_the_form_that_the_pods_mount() -> None:
    secrets = {secret["metadata"]["name"]: set(secret["stringData"]) for secret in manifests("secrets.example.yaml")}
    for name in ("scheduler", "agent"):
        pod = PODS[f"cronprobe-{name}"]["spec"]["template"]["spec"]
        [secret] = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]
        [container] = pod["containers"]
        [key] = secrets[secret]
        said = [*container["args"], *(variable["value"] for variable in container.get("env", []))]
        assert f"/etc/cronprobe/{name}/{key}" in said


def test_the_image_of_the_pods_is_the_one_to_be_named() -> None:
    [image] = KUSTOMIZATION["images"]
    found = {container["image"] for pod in PODS.values() for container in pod["spec"]["template"]["spec"]["containers"]}
    assert found == {image["name"]}


def test_no_file_is_left_out() -> None:
    assert {file.name for file in FOLDER.iterdir()} - {Path(name).name for name in FILES} == {
        "kustomization.yaml",
        "jobs.yaml",
    }
