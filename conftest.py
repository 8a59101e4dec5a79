"""Settings for every test session: the stored outputs of the notebooks were made with the same ones."""

import os

from hypothesis import settings

from srutils import course
from tools.execute import ENVIRONMENT, absolute_folders

pytest_plugins = ("tools.compare_outputs",)

os.environ.update(absolute_folders())
# PYTEST_CURRENT_TEST is left out: pytest sets it itself.
os.environ.update({name: value for name, value in ENVIRONMENT.items() if name != "PYTEST_CURRENT_TEST"})

# two test processes of two threads each share two cores: a thread that waits is to sleep, not to spin
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

course.triton_first()  # one process runs tests of TensorFlow and of PyTorch

settings.register_profile("course", deadline=None, max_examples=50)
settings.load_profile("course")
