# This environment. Put your own project here.
project_id  = "heimdex-dev"
web_origins = ["https://heimdex-dev.web.app"]
