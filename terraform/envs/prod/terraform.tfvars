# This environment. Put your own project and domain here.
project_id       = "heimdex-prod"
runbook_base_url = "https://heimdex.example/docs/runbooks"
domain           = "heimdex.example"
