terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.90, < 7.0"
    }
  }

  # The rest is in a file of yours: terraform init -backend-config=backend.hcl
  backend "s3" {
    key          = "pinnace/uat.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}
