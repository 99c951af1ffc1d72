"""GitHub, by its REST API (https://docs.github.com/rest): comments, statuses, deployments, pull requests, issues."""
