# This environment. Put your own project here.
project_id       = "heimdex-dev"
runbook_base_url = "https://heimdex.example/docs/runbooks"
