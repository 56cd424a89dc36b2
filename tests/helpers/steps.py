"""One training step, looked at from inside."""


def watched_step(job, policy):
    """Do a job's first step and commit it; return its result, the groups that it learned from, and the gradient of each weight."""
    gradients, groups = {}, []
    collect, move = job.collector.collect, job.optimizer.step

    def collected(*args):
        groups.extend(collect(*args)[0])
        return groups, []

    def moved(step):
        gradients.update({name: weight.grad.clone() for name, weight in policy.model.named_parameters()})
        return move(step)

    job.collector.collect, job.optimizer.step = collected, moved
    result = job.advance(1, lambda: None)
    result.commit()
    return result, groups, gradients
