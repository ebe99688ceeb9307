import pytest
from photos import photo


@pytest.fixture
def save_photo():
    def save(path, **options):
        path.parent.mkdir(parents=True, exist_ok=True)
        photo(**options).save(path)
        return path

    return save


@pytest.fixture
def any_weights(monkeypatch):
    """Made-up files pass for published ones."""
    monkeypatch.setattr("network_prune.sources.published_files.check_hash", lambda _: True)


@pytest.fixture
def offline(monkeypatch, tmp_path, any_weights):
    """Empty caches and no connection."""
    import huggingface_hub.constants
    import torch

    def refuse(*_, **__):
        raise OSError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path
