"""Which words of Ray Serve's reach the user. The texts are Serve 2.60's own."""

from __future__ import annotations

from deploy.live.deployment import failure

RETRYING = """A replica failed to start with exception. Retrying 2 more time(s). Error:
Traceback (most recent call last):
  File "replica.py", line 1274, in initialize
bindstream.errors.ConfigError: robot 'rover': give this one another robot.name"""
GIVEN_UP = """The deployment failed to start 3 times in a row. See controller logs. Error:
Traceback (most recent call last):
FileNotFoundError: [Errno 2] No such file or directory: '/models/x'"""
WAITING = "Deployment 'encoder' has 1 replicas that have taken more than 30s to be scheduled."


def test_a_constructor_that_raised_is_named_at_its_first_try() -> None:
    """Breaks if the user waits for two more tries, or reads a traceback instead of the reason."""
    said = failure("DEPLOYING", "", {"publisher": RETRYING, "encoder": ""})
    assert said == "publisher: robot 'rover': give this one another robot.name"


def test_what_serve_gives_up_is_told_in_the_deployments_words() -> None:
    """Breaks if the application's "Failed to update the deployments" is all that is said."""
    said = failure("DEPLOY_FAILED", "Failed to update the deployments ['e'].", {"e": GIVEN_UP})
    assert said == "e: FileNotFoundError: [Errno 2] No such file or directory: '/models/x'"


def test_waiting_is_no_failure() -> None:
    """Breaks if a model that loads slowly ends the run."""
    assert failure("DEPLOYING", "", {"encoder": WAITING, "ingress": ""}) == ""


def test_without_a_deployments_words_the_applications_are_told() -> None:
    """Breaks if a failure without a message reads as success."""
    assert failure("DEPLOY_FAILED", "no such import", {"e": ""}) == "no such import"
    assert failure("DEPLOY_FAILED", "", {}) == "no reason given"
