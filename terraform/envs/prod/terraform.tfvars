# This environment. Put your own project here.
project_id  = "heimdex-prod"
web_origins = ["https://heimdex-prod.web.app"]
