variable "paused" {
  description = "Whether the sweep rests, as during a restore."
  type        = bool
  default     = false
}

variable "project_id" {
  description = "Project of the schedule."
  type        = string
}

variable "region" {
  description = "Where it runs."
  type        = string
}

variable "schedule" {
  description = "Cron line. What is deleted is gone after the next sweep: every minute keeps that promise."
  type        = string
  default     = "* * * * *"
}

variable "topic_id" {
  description = "Id of the sweep's topic."
  type        = string
}
