"""What stands around the code says the same as the code: versions, commands, forms."""

import re
from pathlib import Path

import pytest
import yaml

import network_prune

ROOT = Path(__file__).parents[1]
FORMS = ROOT / ".github" / "ISSUE_TEMPLATE"
if not FORMS.is_dir():
    pytest.skip("an sdist holds no .github", allow_module_level=True)


def read(*parts):
    return (ROOT.joinpath(*parts)).read_text("utf-8")


def workflow(name):
    # YAML 1.1 takes the key `on` for a truth value.
    return yaml.load(read(".github", "workflows", name), yaml.BaseLoader)


def test_the_citation_and_the_changelog_are_of_this_version():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["version"] == network_prune.__version__
    heads = re.findall(r"^## \[(.+?)\](?: - (.+))?$", read("CHANGELOG.md"), re.MULTILINE)
    assert heads[0] == ("Unreleased", "")
    assert heads[1] == (network_prune.__version__, str(citation["date-released"]))


def test_sections_of_the_changelog_are_in_order():
    for section in read("CHANGELOG.md").split("\n## ")[1:]:
        kinds = re.findall(r"^### (\w+)$", section, re.MULTILINE)
        assert kinds == [kind for kind in ("Added", "Changed", "Fixed") if kind in kinds]


def test_ci_runs_the_two_commands_of_the_readme():
    found = workflow("tests.yml")
    assert set(found["on"]) == {"push", "pull_request"}
    job = found["jobs"]["tests"]
    assert job["strategy"]["matrix"] == {"python": ["3.11", "3.13"]}
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert [each for each in commands if each.startswith("make")] == ["make demo", "make test"]
    assert all(command in read("README.md") for command in ("make demo", "make test"))
    assert all(name in read("Makefile") for name in job["env"])


@pytest.mark.parametrize("name", ["tests.yml", "release.yml"])
def test_workflows_hold_no_secrets_and_may_read_alone(name):
    assert "secrets." not in read(".github", "workflows", name)
    found = workflow(name)
    assert found["permissions"] == {"contents": "read"}
    granted = {
        each: job["permissions"] for each, job in found["jobs"].items() if "permissions" in job
    }
    assert granted == ({"publish": {"id-token": "write"}} if name == "release.yml" else {})


@pytest.mark.parametrize("path", sorted(FORMS.glob("*.yml")), ids=lambda path: path.name)
def test_forms_are_whole(path):
    form = yaml.safe_load(path.read_text("utf-8"))
    if path.name == "config.yml":
        assert form == {"blank_issues_enabled": True}
        return
    assert form.keys() == {"name", "description", "labels", "body"}
    names = [field["id"] for field in form["body"]]
    assert len(set(names)) == len(names)
    for field in form["body"]:
        assert field["type"] in ("input", "textarea")
        assert field["attributes"]["label"]


def test_a_refused_network_is_asked_for_what_is_needed_to_see_it():
    form = yaml.safe_load((FORMS / "refused.yml").read_text("utf-8"))
    needed = {f["id"] for f in form["body"] if f.get("validations", {}).get("required")}
    assert needed == {"refusal", "source", "doctor"}
