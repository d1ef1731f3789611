output "subscriptions" {
  description = "Short names of all subscriptions."
  value       = keys(local.subscriptions)
}

output "topic_ids" {
  description = "Short name of a topic → its id."
  value       = { for name, topic in google_pubsub_topic.this : name => topic.id }
}
