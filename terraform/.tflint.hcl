# The rules that are built into tflint: no plugin is fetched.
config {
  call_module_type = "local"
}

plugin "terraform" {
  enabled = true
  preset  = "all"
}
