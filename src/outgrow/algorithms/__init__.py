"""The science, one algorithm a file: samplers, rewards, advantages, losses."""
